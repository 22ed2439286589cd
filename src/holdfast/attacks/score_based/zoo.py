"""ZOO: coordinate-wise Adam on symmetric finite differences."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Walk, evaluate
from holdfast.attacks.core.moments import ScaleFreeAdam
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.score_based.estimators import antithetic_difference, cube, steps_within
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count, OfCube, Positive


@register("attack", name="zoo")
@dataclass(frozen=True, kw_only=True)
class ZOO(Attack):
    """Zeroth-order coordinate ascent with Adam (Chen et al., 2017, algorithms 1 and 2).

    Every example goes through its coordinates in random orders of its own.
    """

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    coordinates: Count = 128  # measured before each step, at most all
    sigma: Positive = 0.001  # distance of a probe, in the units of the data
    learning_rate: OfCube = 1.0  # Adam's learning rate, fraction of the largest cube in the set
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        yield evaluate(objective, region, z, rng.at(0))
        adam, side = ScaleFreeAdam(z), cube(region)
        order, move = _order(z, rng), torch.zeros_like(z)
        most = min(self.coordinates, prod(z.shape[1:]))
        for k, pairs in enumerate(steps_within(self.queries, most), 1):
            at = rng.at(k)
            if pairs:
                seen = torch.stack([next(order) for _ in range(pairs)], 1)
                grad = yield from self._slopes(objective, region, z, seen, at)
                mask = torch.zeros_like(z).flatten(1).scatter(1, seen, 1.0).reshape(z.shape) > 0
                move = adam.direction(grad, mask)
            z = region.project(z + self.learning_rate * side * move)
            yield evaluate(objective, region, z, at)

    def _slopes(
        self, objective: Objective, region: Dense, z: Tensor, seen: Tensor, at: Rng
    ) -> Generator[Scored, None, Tensor]:
        """Yield two probes for each coordinate `seen` (B, n); return differences, else zeros."""
        grad = torch.zeros_like(z).flatten(1)
        for which in seen.split(1, 1):
            move = torch.zeros_like(grad).scatter(1, which, self.sigma).reshape(z.shape)
            change = yield from antithetic_difference(objective, region, z, move, at)
            grad = grad.scatter(1, which, change[:, None].to(z.dtype))
        return grad.reshape(z.shape)


def _order(z: Tensor, rng: Rng) -> Iterator[Tensor]:
    """Yield (B,) int64: each example's next coordinate, all of them before any comes again."""
    tour = 0
    while True:
        yield from rng.fold("order", tour).uniform((prod(z.shape[1:]),)).argsort(1).unbind(1)
        tour += 1
