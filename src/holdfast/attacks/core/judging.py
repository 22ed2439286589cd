"""Verdicts on several points of a search at once.

Judging one point takes a small network longer than its pass; several together take hardly longer
than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, is_
from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.core.points import Scored
from holdfast.objective import Score

WAITING = 32  # points that wait to be judged together at most
HELD = 1 << 22  # values that they may have, 16 MiB


class Judged(NamedTuple):
    """Each example's worst point of several, the first of equals."""

    points: Sequence[Scored]
    which: Tensor  # (B,) number of the point
    loss: Tensor  # (B,)
    harm: Tensor  # (B,) -inf where it is not a number
    tie: Tensor  # (B,)
    nowhere: Tensor  # (B,) bool: the harm of one of the points is not a number

    @property
    def excess(self) -> Tensor:
        """Return (B,): the harm beyond a tie."""
        return self.harm - self.tie

    def inputs(self) -> tuple[Tensor, Tensor]:
        """Return z and x_adv, (B, ...) each; one tensor where they are one."""
        zs, x_advs = zip(*map(attrgetter("z", "x_adv"), self.points), strict=True)
        z = _joined(self.which, zs)
        return z, z if all(map(is_, zs, x_advs)) else _joined(self.which, x_advs)


def judged(points: Sequence[Scored]) -> Judged:
    """Judge the points; a harm that is not a number is never the worst of several."""
    scores = list(map(attrgetter("score"), points))
    harm, tie = Score.verdicts(scores)
    nowhere = harm.isnan()
    harm = torch.where(nowhere, -torch.inf, harm)
    tie = torch.where(nowhere, 0.0, tie)
    if len(points) == 1:
        which = torch.zeros_like(harm[0], dtype=torch.int64)
        return Judged(points, which, points[0].loss, harm[0], tie[0], nowhere[0])
    which = (harm - tie).argmax(0)
    loss = torch.stack(list(map(attrgetter("loss"), scores))).detach()
    loss, harm, tie = (values.gather(0, which[None])[0] for values in (loss, harm, tie))
    return Judged(points, which, loss, harm, tie, nowhere.any(0))


def at_once(values: int) -> int:
    """Return how many points of so many values each may wait to be judged together."""
    return max(1, min(WAITING, HELD // max(values, 1)))


def _joined(which: Tensor, batches: Sequence[Tensor]) -> Tensor:
    """Return each example as the batch number `which` (B,) has it, copied once."""
    numbers, counts = which.unique(return_counts=True)
    if len(numbers) == 1:
        return batches[int(numbers)]
    joined = torch.empty_like(batches[0])
    parts = which.argsort(stable=True).split(counts.tolist())
    for number, rows in zip(numbers.tolist(), parts, strict=True):
        joined.index_copy_(0, rows, batches[number].index_select(0, rows))
    return joined
