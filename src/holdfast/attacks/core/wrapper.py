"""Base class of the attacks that are made of one other attack."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from holdfast.attacks.core.base import Attack, Demands, Walk
from holdfast.objective import Objective
from holdfast.rng import Rng


class Wrapper(Attack):
    """An attack that runs `attack`: it asks for what that asks for, and for its own `needs`.

    One that is the worst of several runs fills in `parts`; any other one its own `iterate`.
    """

    attack: Attack

    def iterate(self, objective: Objective, region: Any, rng: Rng, start: Tensor | None) -> Walk:
        for part in self.parts():
            yield from part.iterate(objective, region, part.own(rng), start)

    def demands(self) -> Demands:
        inner = self.attack.demands()
        needs = tuple(dict.fromkeys((*self.needs, *inner.needs)))
        return Demands(inner.knowledge, needs, self.nearest or inner.nearest)
