"""Bounds that hold for every point of a set."""

from holdfast.certification.interval_bounds import logit_gaps as logit_gaps
