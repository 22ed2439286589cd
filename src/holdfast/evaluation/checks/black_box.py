"""A search without gradients must not beat the gradient attacks: where it does, they were blind."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.claims import wilson
from holdfast.evaluation.cascade import Stage
from holdfast.evaluation.suites import Member
from holdfast.models import Finding, Verdict
from holdfast.threat import Knowledge

TOO_MANY = 0.002  # share of what the gradient attacks left, at the interval's lower end


def black_box_stronger(members: Sequence[Member], stages: Sequence[Stage]) -> Finding | None:
    """Compare what score- and decision-based members broke with what gradient attacks left them.

    Athalye et al., 2018, arXiv:1802.00420, sec. 3.1. None where the suite has no such pair.
    """
    kinds = {member.name: member.attack.knowledge for member in members}
    if Knowledge.GRADIENT not in kinds.values():
        return None
    blind = [s for s in stages if kinds.get(s.name, Knowledge.GRADIENT) is not Knowledge.GRADIENT]
    if not blind:
        return None
    left, broken = blind[0].entered, sum(stage.broken for stage in blind)
    found = (
        f"attacks without gradients broke {broken:,} of {left:,} points that gradient attacks left"
    )
    if broken == 0:
        return _finding(Verdict.PASS, found, "")
    remedy = "look for a step that blocks or shatters gradients and attack a differentiable twin"
    too_many = wilson(broken, left).low > TOO_MANY
    return _finding(Verdict.FAIL if too_many else Verdict.WARN, found, remedy)


def _finding(status: Verdict, message: str, remedy: str) -> Finding:
    return Finding(id="black-box-stronger", status=status, message=message, remedy=remedy)
