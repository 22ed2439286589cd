"""Examples on which a gradient attack never had a gradient were not attacked by it."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.evaluation.waterfall import Bar
from holdfast.models import Finding, Verdict

A_FEW = 0.01  # share of a member's entrants


def unmoved(bars: Sequence[Bar]) -> Finding:
    """Report the members that could not move on more than a few of the examples they got."""
    blind = [bar for bar in bars if bar.entered and bar.failed > A_FEW * bar.entered]
    if not blind:
        return Finding(id="unmoved", status=Verdict.PASS, message="every attack could move")
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
