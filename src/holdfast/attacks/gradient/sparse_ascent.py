"""Auto-PGD in sets whose steepest steps are sparse, such as the L1 ball."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.attacks.core.points import Scored, Unscored, Walk, value_and_grad
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import select
from holdfast.threat import Region, Sparse

SHARE = 0.2  # of the coordinates that the first steps move
WINDOW = 0.04  # steps between checks, as a fraction of all
FEWER = 1.5  # a step moves so many times fewer coordinates than the best point has changed
DUST = 1e-5  # of the largest change: smaller changes do not count
STEADY = 0.95  # share of its changed coordinates that a best point keeps if it is stable
SHORTER, SHORTEST = 1.5, 10.0  # divisors of the step at a check, and in all at most


def sparse_ascent(
    objective: Objective, region: Sparse, z: Tensor, rng: Rng, *, steps: int, given: bool
) -> Walk:
    """Climb from z in steps that follow the sparsity of the best point.

    Croce and Hein, 2021, arXiv:2103.01208, sec. 3.2 and algorithm 1 (APGD in L1, one radius).
    given: True if z is the result of another attack, whose sparsity the first steps follow.
    """
    here, grad = value_and_grad(objective, region, z, rng.at(0, of=steps))
    yield here
    schedule = SparseStepSchedule(region, here, grad, steps)
    if given:
        schedule.follow(here.z)
    z = here.z
    for k in range(1, steps + 1):
        z = region.project(region.sparse_step(z, grad, schedule.fraction, schedule.share))
        if k == steps:
            yield Unscored(z)
            return
        here, grad = value_and_grad(objective, region, z, rng.at(k, of=steps))
        yield here
        z, grad = schedule.check(here, grad)


class SparseStepSchedule:
    """Each example's step size and the share of coordinates that a step moves."""

    def __init__(self, region: Region, here: Scored, grad: Tensor, steps: int) -> None:
        self.x = region.center()
        self.width = self.x[:1].numel() if len(self.x) else 1
        self.fraction = torch.ones_like(here.loss)  # of the radius
        self.share = torch.full_like(here.loss, SHARE)
        self.changed = torch.full_like(here.loss, float(self.width))  # coordinates, at last check
        self.best_z, self.best_grad, self.best_loss = here.z, grad, here.loss
        self.window, self.since = max(int(WINDOW * steps), 1), 0

    def follow(self, z: Tensor) -> None:
        """Set the sparsity of the next steps to that of z, where it has changed at all."""
        change = (z - self.x).flatten(1).abs()
        dust = DUST * change.amax(1, keepdim=True)  # rounding errors are no change
        changed = (change > dust).sum(1).to(self.share.dtype)
        moved = changed > 0
        self.share = torch.where(moved, changed / self.width / FEWER, self.share)
        self.changed = torch.where(moved, changed, self.changed)

    def check(self, here: Scored, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Record a step; at the end of a window set share and step size anew.

        While the best point still grows sparser the step starts over, from there, at full length.
        """
        better = here.loss > self.best_loss
        self.best_z = select(better, here.z, self.best_z)
        self.best_grad = select(better, grad, self.best_grad)
        self.best_loss = torch.where(better, here.loss, self.best_loss)
        self.since += 1
        if self.since < self.window:
            return here.z, grad
        self.since = 0
        before = self.changed
        self.follow(self.best_z)
        sparser = self.changed < STEADY * before
        shorter = (self.fraction / SHORTER).clamp_min(1 / SHORTEST)
        self.fraction = torch.where(sparser, 1.0, shorter)
        return select(sparser, self.best_z, here.z), select(sparser, self.best_grad, grad)
