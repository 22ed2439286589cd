"""Auto-PGD: PGD that sets its own step size, example by example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.starts import Start, Uniform
from holdfast.attacks.gradient.sparse_ascent import sparse_ascent
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import select
from holdfast.threat import Region, Sparse, Trait
from holdfast.units import Count

FIRST, LESS, LEAST = 0.22, 0.03, 0.06  # windows between checks, as fractions of the steps
ENOUGH = 0.75  # share of steps in a window that must have raised the loss
MOMENTUM = 0.75  # weight of the new step against the last one


@register("attack")
@dataclass(frozen=True, kw_only=True)
class APGD(Attack):
    """PGD with momentum that halves its step where it stalls and goes back to the best point.

    Croce and Hein, 2020, arXiv:2003.01690, algorithm 1 and sec. 3. Step sizes, checks and
    restarts from the best point are each example's own. In L1 steps are sparse and without momentum
    (Croce and Hein, 2021, arXiv:2103.01208).
    """

    needs = (Trait.VECTOR,)
    spends = Passes("steps + 1", "steps")

    steps: Count = 100
    start: Start = Uniform()
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        if isinstance(region, Sparse):
            opening = self._sparse_opening(region, rng) if start is None else start
            given = start is not None
            yield from sparse_ascent(objective, region, opening, rng, steps=self.steps, given=given)
            return
        z = self.start(region, rng) if start is None else start
        here, grad = value_and_grad(objective, region, z, rng.at(0, of=self.steps))
        yield here
        schedule = StepSchedule(here, grad, self.steps)
        last = z = here.z
        for k in range(1, self.steps + 1):
            ahead = region.project(region.step(z, grad, schedule.fraction))
            last, z = z, ahead if k == 1 else _mix(region, z, last, ahead)
            if k == self.steps:
                yield Unscored(z)
                return
            here, grad = value_and_grad(objective, region, z, rng.at(k, of=self.steps))
            yield here
            z, grad = schedule.check(here, grad)

    def _sparse_opening(self, region: Sparse, rng: Rng) -> Tensor:
        """Return the first point, for L1 one with few changed coordinates."""
        if self.start == Uniform():
            return region.sparse_start(rng.fold("start"))
        return self.start(region, rng)


def _mix(region: Region, z: Tensor, last: Tensor, ahead: Tensor) -> Tensor:
    """Return the next point: the step to `ahead` mixed with the last move, projected again."""
    return region.project(z + MOMENTUM * (ahead - z) + (1 - MOMENTUM) * (z - last))


class StepSchedule:
    """Each example's step size, and the record of progress that decides when to halve it.

    grad: (B, ...) the gradient, or any direction, that is restored with the best point.
    """

    def __init__(self, here: Scored, grad: Tensor, steps: int) -> None:
        self.steps = steps
        self.fraction = torch.full_like(here.loss, 2.0)  # of the radius
        self.best_z, self.best_grad, self.best_loss = here.z, grad, here.loss
        self.last_loss = here.loss
        self.raised = torch.zeros_like(here.loss)  # steps of this window that raised the loss
        self.loss_at_check = here.loss
        self.halved = torch.ones_like(here.loss, dtype=torch.bool)
        self.window = max(int(FIRST * steps), 1)
        self.since = 0

    def check(self, here: Scored, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Record a step; at the end of a window halve where it stalled and go back to the best."""
        self.raised = self.raised + (here.loss > self.last_loss)
        self.last_loss = here.loss
        self._keep_best(here, grad)
        self.since += 1
        if self.since < self.window:
            return here.z, grad
        stalled = self._stalled()
        self.fraction = torch.where(stalled, self.fraction / 2, self.fraction)
        self.halved, self.loss_at_check = stalled, self.best_loss
        self.raised = torch.zeros_like(self.raised)
        self.since = 0
        self.window = max(self.window - max(int(LESS * self.steps), 1), int(LEAST * self.steps), 1)
        z = select(stalled, self.best_z, here.z)
        return z, select(stalled, self.best_grad, grad)

    def _stalled(self) -> Tensor:
        few_raised = self.raised <= ENOUGH * self.window
        no_gain = ~self.halved & (self.loss_at_check >= self.best_loss)
        return few_raised | no_gain

    def _keep_best(self, here: Scored, grad: Tensor) -> None:
        better = here.loss > self.best_loss
        self.best_z = select(better, here.z, self.best_z)
        self.best_grad = select(better, grad, self.best_grad)
        self.best_loss = torch.where(better, here.loss, self.best_loss)
