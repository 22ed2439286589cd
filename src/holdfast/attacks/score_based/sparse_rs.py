"""Sparse-RS: a random search over a few pixels and their colors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.score_based.estimators import random_search
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import CountsCoordinates, Knowledge, RandomCorners
from holdfast.units import Count, Share

# The first share is divided by a number that grows along a search of SCALE queries.
SCALE = 10_000
PLACES = {0: 2, 50: 4, 200: 5, 500: 6, 1000: 8, 2000: 10, 4000: 12, 6000: 15, 8000: 20}
WINDOWS = {10: 2, 50: 4, 200: 8, 500: 16, 1000: 32, 4000: 64, 8000: 128}


@register("attack", name="sparse_rs")
@dataclass(frozen=True, kw_only=True)
class SparseRS(Attack):
    """Resample some of the changes and keep those that raise the loss (Croce et al., 2022).

    arXiv:2006.12834, algorithms 1 and 2. In L0 changed places are given up for others; inside a
    mask (patch, frame, stickers) a window gets another color. Colors are corners of the range.
    """

    needs = (RandomCorners,)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 10_000
    fraction: Share = 0.3  # of the places that the first query changes; 0.4 suits patches
    loss: Loss | None = Margin()

    def iterate(
        self, objective: Objective, region: RandomCorners, rng: Rng, start: Tensor | None
    ) -> Walk:
        objective = objective.using(self.loss)
        z = region.sample(rng.fold("start")) if start is None else start
        schedule = PLACES if isinstance(region, CountsCoordinates) else WINDOWS

        def propose(z: Tensor, at: Rng) -> Tensor:
            share = self.fraction / divisor(schedule, at.step * SCALE // self.queries)
            return region.resample(z, at, share)

        return random_search(objective, region, z, rng, queries=self.queries, propose=propose)


def divisor(schedule: dict[int, int], k: int) -> int:
    """Return the divisor of the first share after query k of SCALE."""
    return next((by for after, by in reversed(schedule.items()) if k > after), 1)
