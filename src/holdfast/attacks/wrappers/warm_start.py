"""Two attacks in a row: the second starts from the worst point that the first one found."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Demands, Walk, keeper, scored
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.gradient.apgd import APGD
from holdfast.attacks.score_based.square import Square
from holdfast.components import register
from holdfast.errors import InputError
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Knowledge, Region


@register("attack")
@dataclass(frozen=True, kw_only=True)
class WarmStart(Attack):
    """Run one attack from the worst point of another instead of from noise.

    A random search crosses the flat and jagged places in which gradients are uninformative; from
    the best point that it reached, a gradient attack goes on. The worst point of both is the
    result.
    """

    baseline = "each of its attacks alone"
    spends = Passes("first + then", "first + then")

    first: Attack = Square(queries=2000)  # the attack that finds where to begin
    then: Attack = APGD(loss=Margin())  # the attack that goes on from there

    def __post_init__(self) -> None:
        if self.first.demands().nearest != self.then.demands().nearest:
            raise InputError(
                "both attacks of a chain must look for the nearest counterexample, or neither: "
                "one walks within the radius and the other everywhere"
            )

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        best = keeper(self.first, objective, region)
        search = self.first.iterate(objective, region, self.first.own(rng), start)
        for here in scored(search, objective, region, rng):
            best.see(here)
            yield here
        yield from self.then.iterate(objective, region, self.then.own(rng), best.result().z)

    def demands(self) -> Demands:
        one, other = self.first.demands(), self.then.demands()
        most = min(one.knowledge, other.knowledge, key=list(Knowledge).index)
        return Demands(most, tuple(dict.fromkeys((*one.needs, *other.needs))), one.nearest)
