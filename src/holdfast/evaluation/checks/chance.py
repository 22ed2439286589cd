"""Clean accuracy that a constant or a random guess would reach as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holdfast.evaluation.checks.black_box import at_least
from holdfast.models import Finding, Verdict

LEVEL = 0.05  # probability of guessing so much, above which that cannot be ruled out


def above_chance(labels: Sequence[int], wrong: int, num_classes: int) -> Finding:
    """Compare with always answering the most frequent label, or each class equally often.

    labels: of all examples. wrong: how many of them are misclassified unchanged. An exact binomial
    test, one-sided.
    """
    n, right = len(labels), len(labels) - wrong
    share = max(1 / num_classes, max(Counter(labels).values()) / n)
    if share < 1 and at_least(right, n, share) < LEVEL:
        message = f"clean accuracy is above that of a guess, {100 * share:.1f} %"
        return Finding(id="chance", status=Verdict.PASS, message=message)
    return Finding(
        id="chance",
        status=Verdict.WARN,
        message=(
            f"{right:,} of {n:,} points are right unchanged, no more than a guess may reach "
            f"({100 * share:.1f} % by one answer for all of them)"
        ),
        remedy="check the labels and their order, the range of the inputs, the normalization and "
        "the weights",
    )
