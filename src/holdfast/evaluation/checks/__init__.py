"""Diagnostics that an evaluation runs by itself, one a file; each yields findings for the claim."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.evaluation.checks.black_box import black_box_stronger
from holdfast.evaluation.checks.settings import settings
from holdfast.evaluation.checks.unmoved import unmoved
from holdfast.evaluation.suites import Member
from holdfast.evaluation.waterfall import Bar
from holdfast.models import Finding


def diagnose(members: Sequence[Member], bars: Sequence[Bar]) -> list[Finding]:
    """Return what the waterfall says about whether the attacks could work.

    members: those that the model could answer.
    """
    known = black_box_stronger(members, bars)
    return [unmoved(bars), *([known] if known else [])]


__all__ = ["black_box_stronger", "diagnose", "settings", "unmoved"]
