"""Settings that can be meant and hardly ever are: steps that are too short, a tiny eps."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.attacks.core.travel import short_steps
from holdfast.evaluation.suites import Member
from holdfast.models import Finding
from holdfast.models.diagnostics.finding import warned
from holdfast.threat import Space, too_small


def settings(members: Sequence[Member], space: Space) -> list[Finding]:
    """Return a finding for the members whose steps are too short, and one for a tiny eps."""
    lines = [(member.name, line) for member in members for line in short_steps(member, space)]
    found = []
    if lines:
        others = f" ({len(lines)} attacks in all)" if len(lines) > 1 else ""
        found.append(
            warned("step-size", f"{lines[0][0]}: {lines[0][1]}{others}", "use longer steps or more")
        )
    if tiny := too_small(space):
        found.append(warned("tiny-eps", tiny, "check the units of eps and of range"))
    return found
