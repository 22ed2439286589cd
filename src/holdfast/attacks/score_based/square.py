"""The Square attack: random search over square windows."""

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
from holdfast.threat import Knowledge, Searchable
from holdfast.units import Count, Share

HALVE_AT = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of BUDGET queries
BUDGET = 10_000


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Square(Attack):
    """Change one random window at a time and keep changes that raise the loss.

    Andriushchenko et al., 2020, arXiv:1912.00049, algorithms 1 to 3. Windows are drawn per example
    and reach the last row and column. The first query is the start.
    """

    needs = (Searchable,)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    fraction: Share = 0.8  # of the input that the first window covers
    loss: Loss | None = Margin()

    def iterate(
        self, objective: Objective, region: Searchable, rng: Rng, start: Tensor | None
    ) -> Walk:
        objective = objective.using(self.loss)
        z = region.propose_start(rng.fold("start")) if start is None else start

        def propose(z: Tensor, at: Rng) -> Tensor:
            return region.propose(z, at, window_share(self.fraction, at.step, self.queries))

        return random_search(objective, region, z, rng, queries=self.queries, propose=propose)


def window_share(fraction: float, k: int, queries: int) -> float:
    """Return the share of the input that query k may change, the schedule scaled to `queries`."""
    return float(fraction / 2 ** sum(k * BUDGET > at * queries for at in HALVE_AT))
