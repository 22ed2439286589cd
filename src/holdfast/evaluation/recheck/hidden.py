"""A bound on the counterexamples that a claim hides when some survivors are attacked again."""

from __future__ import annotations

import math

from holdfast.claims.chance import log_ways

UNLIKELY = 0.05  # so that the bound holds with 95 % confidence
ROUNDING = 1e-9  # of a probability: the bound must not fall because it was summed up


def most_hidden(n: int, again: int, broken: int = 0) -> int:
    """Return how many of `n` points at most, with 95 % confidence, break when attacked again.

    again: how many of them, drawn without replacement, were attacked. broken: how many of those
    broke. If H of the n would break, the number among the drawn is hypergeometric. The bound is
    the largest H under which so few as `broken` have a probability of at least 5 % (Clopper and
    Pearson's construction, for a finite population); with none broken that is
    C(n - H, again) / C(n, again) >= 0.05.
    """
    if not 0 <= broken <= again <= n:
        raise AssertionError(f"{broken} broken of {again} of {n}")
    low, high = broken, n - (again - broken)  # seen; left if all the rest breaks
    while low < high:  # the probability falls as H grows
        middle = (low + high + 1) // 2
        if at_most(broken, n, middle, again) >= UNLIKELY - ROUNDING:
            low = middle
        else:
            high = middle - 1
    return low


def at_most(k: int, n: int, hidden: int, drawn: int) -> float:
    """Return the probability of at most `k` of `hidden` in `drawn` of `n`, none drawn twice."""
    low = max(0, drawn - (n - hidden))
    ways = [
        log_ways(hidden, i) + log_ways(n - hidden, drawn - i) - log_ways(n, drawn)
        for i in range(low, min(k, hidden, drawn) + 1)
    ]
    return math.fsum(math.exp(way) for way in ways)
