"""Comparison of models on the same data: paired where the points are the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from holdfast.claims import Accuracy, Claim
from holdfast.claims.wording import failed_checks
from holdfast.threat import Status

LEVEL = 0.05  # of the test


def mcnemar(one: int, other: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947).

    one, other: the points on which the first alone, and the second alone, was right.
    """
    n = one + other
    ways = (math.comb(n, k) for k in range(min(one, other) + 1))
    return min(1.0, float(2 * sum(ways) / 2**n))


def compare(claims: Sequence[Claim], names: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each claim and the next best on the same data: is it ahead?

    A claim whose robust accuracy is withheld or unreliable is left out.
    """
    sound = [
        (claim, name)
        for claim, name in zip(claims, names, strict=True)
        if isinstance(claim.robust_accuracy, Accuracy) and not failed_checks(claim.document)
    ]
    ranked = sorted(sound, key=lambda pair: -float(pair[0].at_most))
    return tuple(_pair(*one, *other) for one, other in pairwise(ranked))


def _pair(one: Claim, name: str, other: Claim, rival: str) -> str:
    if one.per_example["id"] != other.per_example["id"]:
        return _unpaired(one.at_most, name, other.at_most, rival)
    kept, against = _kept(one), _kept(other)
    more, fewer = len(kept - against), len(against - kept)
    p = mcnemar(more, fewer)
    found = f"{more:,} points held by it alone, {fewer:,} by the other alone"
    verdict = "keeps more points than" if p < LEVEL else "is not told apart from"
    return f"{name} {verdict} {rival}: {found} (McNemar's exact test, p={p:.2g})."


def _unpaired(one: Accuracy, name: str, other: Accuracy, rival: str) -> str:
    """Compare samples of other points by their intervals: less sharp than a paired test."""
    ahead = one.low > other.high
    verdict = "keeps more points than" if ahead else "is not told apart from"
    found = f"{one} and {other}, of other points of the same data"
    return f"{name} {verdict} {rival}: {found} ({'no' if ahead else 'with'} overlap of intervals)."


def _kept(claim: Claim) -> set[int]:
    return {row.id for row in claim.per_example if row.status == Status.UNBROKEN}
