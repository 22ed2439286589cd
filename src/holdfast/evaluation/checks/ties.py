"""Verdicts that hang on rounding: examples whose label and best rival tie."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.evaluation.run.waterfall import Bar
from holdfast.models import Finding
from holdfast.models.diagnostics.finding import passed, warned

A_FEW = 0.01  # share of all examples


def ties(bars: Sequence[Bar], marginal: int) -> Finding:
    """Count the examples that tie unchanged (the first bar) or end as ties under attack."""
    unchanged, n = bars[0].marginal, bars[0].entered
    if unchanged + marginal <= A_FEW * n:
        return passed("ties", "next to no verdict is a tie")
    return warned(
        "ties",
        f"{unchanged + marginal:,} of {n:,} points are ties ({unchanged:,} unchanged, "
        f"{marginal:,} under attack): two logits differ by no more than their rounding, which "
        "counts as neither right nor robust",
        "return logits in float32, without a large constant, before they are rounded or clipped; "
        "where votes tie, as a forest's, outputs='labels' judges by the predicted label",
    )
