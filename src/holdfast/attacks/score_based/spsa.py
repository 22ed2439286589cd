"""SPSA: Adam on gradients that antithetic random signs suggest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, look
from holdfast.attacks.core.directions import signs
from holdfast.attacks.core.moments import Adam
from holdfast.attacks.core.validation import at_least, positive
from holdfast.attacks.score_based.estimators import cube, slope, steps_within
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import OfCube


@register("attack", name="spsa")
@dataclass(frozen=True, kw_only=True)
class SPSA(Attack):
    """Projected Adam on gradients estimated from scores (Uesato et al., 2018, algorithm 1)."""

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE

    queries: int = 5000
    samples: int = 32  # probes per step, in pairs of opposite directions
    sigma: float = 0.01  # length of a probe along every coordinate, in the units of the data
    step_size: OfCube = 0.3  # Adam's learning rate, fraction of the largest cube in the set
    loss: Loss | None = Margin()

    def __post_init__(self) -> None:
        at_least(self.queries, 1, "queries")
        at_least(self.samples, 2, "samples")
        positive(self.sigma, "sigma")
        positive(self.step_size, "step_size")

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        yield look(objective, region, z, rng.at(0))
        adam, side = Adam(z), cube(region)
        move = torch.zeros_like(z)
        for k, pairs in enumerate(steps_within(self.queries, self.samples // 2), 1):
            at = rng.at(k)
            if pairs:
                grad = yield from slope(
                    objective, region, z, at, draw=signs, pairs=pairs, size=self.sigma
                )
                move = adam.direction(grad)
            z = region.project(z + self.step_size * side * move)
            yield look(objective, region, z, at)

    def cost(self) -> str:
        return "queries forward, 0 backward"

    def passes(self) -> tuple[int, int]:
        return self.queries, 0
