"""Clean accuracy that a constant or a random guess would reach as well."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.claims.chance import guessing, may_be_chance
from holdfast.models import Finding
from holdfast.models.diagnostics.finding import passed, warned


def above_chance(labels: Sequence[int], wrong: int, num_classes: int) -> Finding:
    """Compare with always answering the most frequent label, or each class equally often.

    labels: of all examples. wrong: how many of them are misclassified unchanged. An exact binomial
    test, one-sided.
    """
    n, right = len(labels), len(labels) - wrong
    share = guessing(labels, num_classes)
    if not may_be_chance(right, n, share):
        return passed("chance", f"clean accuracy is above that of a guess, {100 * share:.1f} %")
    return warned(
        "chance",
        f"{right:,} of {n:,} points are right unchanged, no more than a guess may reach "
        f"({100 * share:.1f} % by one answer for all of them)",
        "check the labels and their order, the range of the inputs, the normalization and "
        "the weights",
    )
