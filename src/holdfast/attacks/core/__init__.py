"""Base class, points, starts and trackers that all attacks share."""
