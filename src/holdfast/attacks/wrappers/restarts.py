"""Attacks made of attacks: several restarts, or one run towards each likely class."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Demands, Walk
from holdfast.attacks.core.validation import at_least
from holdfast.components import register
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Restart(Attack):
    """One restart of an attack: the same search with draws of its own."""

    attack: Attack
    index: int  # which of the restarts it is, from 0

    def __post_init__(self) -> None:
        at_least(self.index, 0, "index")

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        return self.attack.iterate(objective, region, rng, start)

    def demands(self) -> Demands:
        return self.attack.demands()

    def cost(self) -> str:
        return self.attack.cost()

    def passes(self) -> tuple[int, int]:
        return self.attack.passes()


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Restarts(Attack):
    """The worst of several runs that differ in their draws alone."""

    attack: Attack
    restarts: int = 5

    def __post_init__(self) -> None:
        at_least(self.restarts, 1, "restarts")

    def parts(self) -> tuple[Attack, ...]:
        return tuple(
            Restart(attack=part, index=i)
            for i in range(self.restarts)
            for part in self.attack.parts()
        )

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        for part in self.parts():
            yield from part.iterate(objective, region, part.own(rng), start)

    def demands(self) -> Demands:
        return self.attack.demands()

    def cost(self) -> str:
        return f"restarts x ({self.attack.cost()})"

    def passes(self) -> tuple[int, int]:
        forward, backward = self.attack.passes()
        return self.restarts * forward, self.restarts * backward


@register("attack")
@dataclass(frozen=True, kw_only=True)
class ToRank(Attack):
    """One run towards the wrong class that is the rank-th likeliest on the unchanged input."""

    attack: Attack
    rank: int  # 1: the likeliest wrong class

    def __post_init__(self) -> None:
        at_least(self.rank, 1, "rank")

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        if self.rank >= objective.num_classes:
            return
        steered = objective.towards(objective.ranked(self.rank))
        yield from self.attack.iterate(steered, region, rng, start)

    def demands(self) -> Demands:
        return self.attack.demands()

    def cost(self) -> str:
        return f"1 forward + ({self.attack.cost()})"

    def passes(self) -> tuple[int, int]:
        forward, backward = self.attack.passes()
        return 1 + forward, backward


@register("attack")
@dataclass(frozen=True, kw_only=True)
class EachTarget(Attack):
    """The worst of one run towards each of the `top` likeliest wrong classes.

    Croce and Hein, 2020, arXiv:2003.01690, sec. 5 (targeted APGD). Any wrong class is a success.
    """

    attack: Attack
    top: int = 9  # wrong classes that are tried, the likeliest first

    def __post_init__(self) -> None:
        at_least(self.top, 1, "top")

    def parts(self) -> tuple[Attack, ...]:
        return tuple(
            ToRank(attack=part, rank=rank)
            for rank in range(1, self.top + 1)
            for part in self.attack.parts()
        )

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        for part in self.parts():
            yield from part.iterate(objective, region, part.own(rng), start)

    def demands(self) -> Demands:
        return self.attack.demands()

    def cost(self) -> str:
        return f"1 forward + at most top x ({self.attack.cost()})"

    def passes(self) -> tuple[int, int]:
        forward, backward = self.attack.passes()
        return 1 + self.top * forward, self.top * backward
