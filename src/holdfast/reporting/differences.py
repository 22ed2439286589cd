"""Differences between two shares of points, with intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.claims import Accuracy


@dataclass(frozen=True)
class Difference:
    """First share minus second, with a two-sided 95 % interval; fractions in -1..1."""

    value: float
    low: float
    high: float

    @property
    def points(self) -> str:
        """The difference in percentage points with its sign, as text."""
        return _points(self.value, "+")

    @property
    def interval(self) -> str:
        """The interval in percentage points, as text."""
        return f"[{_points(self.low)}, {_points(self.high)}]"

    def __str__(self) -> str:
        return f"{self.points} points {self.interval}"


@dataclass(frozen=True)
class Pairs:
    """The same points under two models, counted by what each of the two got right."""

    both: int
    first: int  # alone
    second: int  # alone
    neither: int

    @classmethod
    def of(cls, first: set[int], second: set[int], n: int) -> Pairs:
        """Return the counts for the ids that each model got right, of n points in all."""
        both = len(first & second)
        return cls(both, len(first) - both, len(second) - both, n - len(first | second))


def paired_difference(pairs: Pairs) -> Difference:
    """Return the difference on the same points, with the paired score interval of Newcombe.

    Newcombe (1998), Statistics in Medicine 17:2635, method 10: the Wilson intervals of the two
    shares, squared and added with their correlation, which is corrected for continuity.
    """
    both, first, second, neither = pairs.both, pairs.first, pairs.second, pairs.neither
    n = both + first + second + neither
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    excess = both * neither - first * second
    corrected = max(excess - n / 2, 0.0) if excess > 0 else excess
    correlation = corrected / math.sqrt(product) if product else 0.0
    return _square_and_add(Accuracy(both + first, n), Accuracy(both + second, n), correlation)


def unpaired_difference(first: Accuracy, second: Accuracy) -> Difference:
    """Return the difference between two samples, with the hybrid score interval of Newcombe.

    Newcombe (1998), Statistics in Medicine 17:873, method 10. The samples are taken as independent:
    where they share points on which the models tend to agree, the interval is wider than need be.
    """
    return _square_and_add(first, second, 0.0)


def mcnemar(one: int, other: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947).

    one, other: the points on which the first alone, and the second alone, was right.
    """
    n = one + other
    ways = chosen = 1  # of n, k by k: afresh for each k they would take seconds for 10,000 points
    for k in range(min(one, other)):
        chosen = chosen * (n - k) // (k + 1)
        ways += chosen
    return min(1.0, float(2 * ways / 2**n))


def score_test(first: Accuracy, second: Accuracy) -> float:
    """Return the two-sided p-value for equal shares in two samples (Pearson's chi-squared)."""
    pooled = (first.k + second.k) / (first.n + second.n)
    variance = pooled * (1 - pooled) * (1 / first.n + 1 / second.n)
    if variance <= 0:
        return 1.0
    return math.erfc(abs(first.value - second.value) / math.sqrt(2 * variance))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that are adjusted for being several (Holm, 1979), in the same order."""
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def _square_and_add(first: Accuracy, second: Accuracy, correlation: float) -> Difference:
    value = first.value - second.value
    down = _root(first.value - first.low, second.high - second.value, correlation)
    up = _root(first.high - first.value, second.value - second.low, correlation)
    return Difference(value, max(-1.0, value - down), min(1.0, value + up))


def _root(a: float, b: float, correlation: float) -> float:
    return math.sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))


def _points(share: float, sign: str = "-") -> str:
    text = f"{100 * share:{sign}.1f}"
    return "0.0" if text in ("-0.0", "+0.0") else text
