"""Gradient attacks inside a set of fixed size."""
