"""Division of a query budget among the attacks that spend it."""

from __future__ import annotations

from collections.abc import Sequence

REFERENCE = 1  # forward passes of a loss that compares with the unchanged input


def split(total: int, weights: Sequence[int], most: Sequence[int]) -> list[int]:
    """Split `total` by weights, nobody getting more than `most`; all of it unless all are full."""
    given, left, open_ = [0] * len(weights), total, list(range(len(weights)))
    while True:
        whole = sum(weights[i] for i in open_)
        full = [i for i in open_ if left * weights[i] >= most[i] * whole]
        if not full:
            break
        for i in full:
            given[i] = most[i]
        left -= sum(most[i] for i in full)
        open_ = [i for i in open_ if i not in full]
    for i in open_:
        given[i] = left * weights[i] // whole
    rest = left - sum(given[i] for i in open_)
    for i in open_[:rest]:
        given[i] += 1
    return given
