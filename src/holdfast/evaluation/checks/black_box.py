"""A search without gradients must not beat the gradient attacks: where it does, they were blind."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.claims.chance import at_least
from holdfast.evaluation.run.waterfall import Bar
from holdfast.evaluation.suites import Member
from holdfast.models import Finding, Verdict
from holdfast.threat import Knowledge

TOO_MANY = 0.002  # share of the survivors of gradient attacks that an honest model may lose
CHANCE = 0.025  # probability below which that share does not explain the breaks


def black_box_stronger(members: Sequence[Member], bars: Sequence[Bar]) -> Finding | None:
    """Compare breaks of score- and decision-based members with survivors of gradient attacks.

    Athalye et al., 2018, arXiv:1802.00420, sec. 3.1. None where the suite has no such pair.
    """
    sees = {m.name: m.attack.demands().knowledge is Knowledge.GRADIENT for m in members}
    blind = [k for k, bar in enumerate(bars) if sees.get(bar.name) is False]
    seeing = [bar for bar in bars[: min(blind, default=0)] if sees.get(bar.name)]
    if not seeing:
        return None
    left = seeing[0].entered - sum(bar.broken for bar in seeing)
    broken = sum(bars[k].broken for k in blind)
    found = (
        f"attacks without gradients broke {broken:,} of {left:,} points that gradient attacks left"
    )
    if broken == 0:
        return _finding(Verdict.PASS, found, "")
    remedy = "look for a step that blocks or shatters gradients and attack a differentiable twin"
    too_many = at_least(broken, left, TOO_MANY) < CHANCE
    return _finding(Verdict.FAIL if too_many else Verdict.WARN, found, remedy)


def _finding(status: Verdict, message: str, remedy: str) -> Finding:
    return Finding(id="black-box-stronger", status=status, message=message, remedy=remedy)
