"""Chance accuracy, and a test of an accuracy against it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

LEVEL = 0.05  # probability of guessing so much, above which that cannot be ruled out


def guessing(labels: Sequence[int], num_classes: int) -> float:
    """Return the accuracy of the most frequent label for everything, or of each class by turns."""
    return max(1 / num_classes, max(Counter(labels).values()) / len(labels))


def may_be_chance(right: int, n: int, share: float) -> bool:
    """Return True if a guess that is right with probability `share` may get `right` of n.

    An exact binomial test, one-sided.
    """
    return share >= 1 or at_least(right, n, share) >= LEVEL


def at_least(k: int, n: int, share: float) -> float:
    """Return the probability of k or more successes in n trials of probability `share`."""

    def log_of(i: int) -> float:
        return log_ways(n, i) + i * math.log(share) + (n - i) * math.log1p(-share)

    return 1.0 - math.fsum(math.exp(log_of(i)) for i in range(k))


def log_ways(n: int, k: int) -> float:
    """Return the logarithm of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
