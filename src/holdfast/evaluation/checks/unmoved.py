"""Examples on which a gradient attack never had a gradient were not attacked by it."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.evaluation.run.waterfall import Bar
from holdfast.evaluation.suites import Member
from holdfast.models import Finding, Verdict

A_FEW = 0.01  # share of a member's entrants


def unmoved(members: Sequence[Member], bars: Sequence[Bar]) -> Finding:
    """Report the members that could not move on more than a few of the examples they got.

    members: those that the model could answer; the others are not looked at for a better loss.
    """
    blind = [bar for bar in bars if bar.entered and bar.failed > A_FEW * bar.entered]
    if not blind:
        return Finding(id="unmoved", status=Verdict.PASS, message="every attack could move")
    able = {member.name for member in members}
    unanswered = [bar for bar in blind if bar.name not in able]
    if unanswered:
        return Finding(
            id="unmoved",
            status=Verdict.WARN,
            message=(
                f"the model does not give what {unanswered[0].name} needs, on "
                f"{unanswered[0].entered:,} points ({len(unanswered)} attacks in all)"
            ),
            remedy="for a model without gradients take suite='score' with knowledge='score' in the "
            "threat model, for labels alone 'decision' in both places",
        )
    worst = max(blind, key=lambda bar: bar.failed / bar.entered)
    return Finding(
        id="unmoved",
        status=Verdict.WARN,
        message=(
            f"{worst.name} could not move on {worst.failed:,} of the {worst.entered:,} points it "
            f"got: no gradient, NaN or an exception ({len(blind)} attacks in all)"
        ),
        remedy="a margin or DLR loss moves where cross-entropy rounds to zero; the log names "
        "exceptions",
    )
