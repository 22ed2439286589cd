"""NES: projected ascent on gradients estimated from antithetic Gaussian probes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.directions import normal
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.score_based.estimators import estimate_gradient, steps_within
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count, NotNegative, OfRadius, Positive, Within

PLATEAU = 5  # steps without a rise in loss after which the step size is halved
LEAST = 0.005  # smallest step size, as a share of the first one


@register("attack", name="nes")
@dataclass(frozen=True, kw_only=True)
class NES(Attack):
    """PGD with momentum along gradients estimated from scores (Ilyas et al., 2018, algorithm 1)."""

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    samples: Annotated[int, Within(2)] = 50  # probes per step, in pairs of opposite directions
    sigma: Positive = 0.001  # standard deviation of a probe, in the units of the data
    step_size: OfRadius = 0.2  # fraction of the radius; halved on plateaus
    momentum: NotNegative = 0.9  # of the last estimates against the new one
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        here = evaluate(objective, region, z, rng.at(0))
        yield here
        step_sizes, running = _StepSizes(here.loss, self.step_size), torch.zeros_like(z)
        for k, pairs in enumerate(steps_within(self.queries, self.samples // 2), 1):
            at = rng.at(k)
            if pairs:
                grad = yield from estimate_gradient(
                    objective, region, z, at, draw=normal, pairs=pairs, size=self.sigma
                )
                running = self.momentum * running + (1 - self.momentum) * grad
            z = region.project(region.step(z, running, step_sizes.fraction))
            here = evaluate(objective, region, z, at)
            yield here
            step_sizes.check(here.loss)


class _StepSizes:
    """Each example's step size, halved where the loss has not risen for five steps."""

    def __init__(self, loss: Tensor, step_size: float) -> None:
        self.losses = [loss]
        self.fraction = torch.full_like(loss, step_size)  # of the radius
        self.least = LEAST * step_size

    def check(self, loss: Tensor) -> None:
        """Record the losses (B,) after a step, and halve step sizes on plateaus."""
        self.losses = [*self.losses[-PLATEAU:], loss]
        if len(self.losses) > PLATEAU:
            halved = (self.fraction / 2).clamp_min(self.least)
            self.fraction = torch.where(loss > self.losses[0], self.fraction, halved)
