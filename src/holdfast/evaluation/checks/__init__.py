"""Diagnostics that an evaluation runs by itself, one a file; each yields findings for the claim."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.evaluation.checks.black_box import black_box_stronger as black_box_stronger
from holdfast.evaluation.checks.chance import above_chance as above_chance
from holdfast.evaluation.checks.settings import settings as settings
from holdfast.evaluation.checks.ties import ties as ties
from holdfast.evaluation.checks.unmoved import unmoved as unmoved
from holdfast.evaluation.run.waterfall import Bar
from holdfast.evaluation.suites import Member
from holdfast.models import Finding


def diagnose(members: Sequence[Member], bars: Sequence[Bar], marginal: int) -> list[Finding]:
    """Return the findings of the waterfall: could the attacks work, and are the verdicts clear?

    members: those that the model could answer. marginal: examples that end as ties.
    """
    known = black_box_stronger(members, bars)
    return [unmoved(members, bars), ties(bars, marginal), *([known] if known else [])]
