"""SPSA: Adam on gradients estimated from antithetic random signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.directions import signs
from holdfast.attacks.core.moments import ScaleFreeAdam
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.score_based.estimators import cube, estimate_gradient, steps_within
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count, OfCube, Positive, Within


@register("attack", name="spsa")
@dataclass(frozen=True, kw_only=True)
class SPSA(Attack):
    """Projected Adam on gradients estimated from scores (Uesato et al., 2018, algorithm 1)."""

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    samples: Annotated[int, Within(2)] = 32  # probes per step, in pairs of opposite directions
    sigma: Positive = 0.01  # length of a probe along every coordinate, in the units of the data
    learning_rate: OfCube = 0.3  # Adam's learning rate, fraction of the largest cube in the set
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        yield evaluate(objective, region, z, rng.at(0))
        adam, side = ScaleFreeAdam(z), cube(region)
        move = torch.zeros_like(z)
        for k, pairs in enumerate(steps_within(self.queries, self.samples // 2), 1):
            at = rng.at(k)
            if pairs:
                grad = yield from estimate_gradient(
                    objective, region, z, at, draw=signs, pairs=pairs, size=self.sigma
                )
                move = adam.direction(grad)
            z = region.project(z + self.learning_rate * side * move)
            yield evaluate(objective, region, z, at)
