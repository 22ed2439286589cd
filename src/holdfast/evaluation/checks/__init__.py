"""Diagnostics that an evaluation runs by itself, one a file; each yields findings for the claim."""

from __future__ import annotations

from holdfast.evaluation.checks.black_box import black_box_stronger
from holdfast.evaluation.checks.unmoved import unmoved

__all__ = ["black_box_stronger", "unmoved"]
