"""Clean and robust accuracy from the status counts of the examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.arguments import checked
from holdfast.claims.intervals import Accuracy, Withheld

FAILED_LIMIT = 0.001  # fraction of points that attacks may fail on before no number is printed


@checked
def headline(counts: Mapping[str, int]) -> dict[str, Any]:
    """Return `clean_accuracy` and `robust_accuracy` in JSON form, from points per status.

    A failed point is never counted as robust; above 0.1 % of them the robust number is withheld.
    """
    n = sum(counts.values())
    clean = Accuracy(n - counts.get("clean-wrong", 0), n)
    return {"clean_accuracy": clean.plain(), "robust_accuracy": robust(counts).plain()}


def robust(counts: Mapping[str, int]) -> Accuracy | Withheld:
    """Return unbroken / n, or why there is no such number."""
    n, failed = sum(counts.values()), counts.get("failed", 0)
    if failed > FAILED_LIMIT * n:
        return Withheld(
            f"the attacks could not work on {failed:,} of {n:,} points (no usable gradient, NaN "
            f"or an exception), more than the {100 * FAILED_LIMIT:g} % that a number may rest on"
        )
    return Accuracy(counts.get("unbroken", 0), n)


def ceiling(counts: Mapping[str, int]) -> Accuracy:
    """Return the accuracy if every failed point held, an upper bound of a withheld number."""
    kept = sum(counts.get(status, 0) for status in ("unbroken", "failed"))
    return Accuracy(kept, sum(counts.values()))
