"""Expectation over a model's own randomness: every look of an attack becomes several."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Demands, Walk, scored
from holdfast.attacks.core.validation import at_least
from holdfast.components import register
from holdfast.models.wrappers.randomized import Draws
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region


@register("attack", name="eot")
@dataclass(frozen=True, kw_only=True)
class EOT(Attack):
    """An attack on the mean of a random network's logits (Athalye et al., 2018, arXiv:1707.07397).

    Every forward pass of the inner attack becomes `samples` passes with draws of their own.
    """

    attack: Attack
    samples: int = 20  # passes that each look is the mean of
    common: bool = False  # the same draws at every look, so that its points compare

    def __post_init__(self) -> None:
        at_least(self.samples, 1, "samples")

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        draws = Draws(self.samples, rng.fold("draws"), common=self.common)
        mean = objective.averaged(draws)
        search = self.attack.iterate(mean, region, self.attack.own(rng), start)
        yield from scored(search, mean, region, rng)  # also the end: one draw would not do

    def demands(self) -> Demands:
        return self.attack.demands()

    def cost(self) -> str:
        return f"samples x ({self.attack.cost()})"

    def passes(self) -> tuple[int, int]:
        forward, backward = self.attack.passes()
        return self.samples * forward, self.samples * backward
