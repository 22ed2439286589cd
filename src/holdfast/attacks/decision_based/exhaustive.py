"""Searches without gradients: every point of a grid, or many random ones."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, query
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.errors import ConfigError
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Finite, Knowledge, Lattice, Region
from holdfast.units import Count


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Grid(Attack):
    """Try every point of a grid over the set (Engstrom et al., 2019, arXiv:1712.02779, sec. 3)."""

    needs = (Lattice,)
    knowledge = Knowledge.DECISION
    spends = Passes("angles x shifts x shifts")

    angles: Count = 31  # rotations of the grid
    shifts: Count = 5  # along rows, and as many along columns

    def iterate(
        self, objective: Objective, region: Lattice, rng: Rng, start: Tensor | None
    ) -> Walk:
        for k, z in enumerate(region.lattice((self.angles, self.shifts))):
            yield query(objective, region, z, rng.at(k))[0]


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Exhaustive(Attack):
    """Try every choice of a finite set, as often as asked (Hendrycks and Dietterich, 2019).

    arXiv:1903.12261 takes the mean over corruptions; this is the worst of them for each example.
    """

    needs = (Finite,)
    knowledge = Knowledge.DECISION
    spends = Passes("at most draws x choices")

    draws: Count = 1  # of each choice, where chance has a part in it
    choices: Count = 61  # at most, the unchanged input among them: a set of more is refused

    def iterate(self, objective: Objective, region: Finite, rng: Rng, start: Tensor | None) -> Walk:
        for i in range(self.draws):
            for k, z in enumerate(region.choices(rng.fold("draw", i))):
                if k == self.choices:
                    raise ConfigError(
                        f"the set has more than {self.choices} choices: write Exhaustive(choices=n)"
                    )
                yield query(objective, region, z, rng.at(k))[0]


@register("attack")
@dataclass(frozen=True, kw_only=True)
class RandomSearch(Attack):
    """The worst of random points of the set, the unchanged input first.

    Engstrom et al., 2019, sec. 3 (worst-of-10), for three numbers an image; in a ball of many
    dimensions it finds little.
    """

    knowledge = Knowledge.DECISION
    spends = Passes("queries")

    queries: Count = 10

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        yield query(objective, region, region.center() if start is None else start, rng)[0]
        for k in range(1, self.queries):
            at = rng.at(k)
            yield query(objective, region, region.init(at), at)[0]
