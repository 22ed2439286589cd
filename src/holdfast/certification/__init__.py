"""Bounds that hold for every point of a set."""

from holdfast.certification.interval_bounds import logit_gaps

__all__ = ["logit_gaps"]
