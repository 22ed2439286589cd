"""Attacks made of attacks: several restarts, or one run towards each likely class."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.components import register
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import Count, Size


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Restart(Wrapper):
    """One restart of an attack: the same search with draws of its own."""

    spends = Passes("attack", "attack")

    attack: Attack
    index: Size  # which of the restarts it is, from 0

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        return self.attack.iterate(objective, region, rng, start)


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Restarts(Wrapper):
    """The worst of several runs that differ in their draws alone."""

    spends = Passes("restarts x attack", "restarts x attack")

    attack: Attack
    restarts: Count = 5

    def parts(self) -> tuple[Attack, ...]:
        return tuple(
            Restart(attack=part, index=i)
            for i in range(self.restarts)
            for part in self.attack.parts()
        )


@register("attack")
@dataclass(frozen=True, kw_only=True)
class TargetRank(Wrapper):
    """One run towards the wrong class that is the rank-th likeliest on the unchanged input."""

    spends = Passes("1 + attack", "attack")

    attack: Attack
    rank: Count  # 1: the likeliest wrong class

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        if self.rank >= objective.num_classes:
            return
        steered = objective.towards(objective.ranked(self.rank))
        yield from self.attack.iterate(steered, region, rng, start)


@register("attack")
@dataclass(frozen=True, kw_only=True)
class EachTarget(Wrapper):
    """The worst of one run towards each of the `top` likeliest wrong classes.

    Croce and Hein, 2020, arXiv:2003.01690, sec. 5 (targeted APGD). Any wrong class is a success.
    """

    spends = Passes("1 + at most top x attack", "at most top x attack")

    attack: Attack
    top: Count = 9  # wrong classes that are tried, the likeliest first

    def parts(self) -> tuple[Attack, ...]:
        return tuple(
            TargetRank(attack=part, rank=rank)
            for rank in range(1, self.top + 1)
            for part in self.attack.parts()
        )
