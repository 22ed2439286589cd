"""Expectation over a model's own randomness: every forward pass of an attack becomes several."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, scored
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.components import register
from holdfast.models.wrappers.randomized import Draws
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import Count


@register("attack", name="eot")
@dataclass(frozen=True, kw_only=True)
class EOT(Wrapper):
    """An attack on the mean of a random network's logits (Athalye et al., 2018, arXiv:1707.07397).

    Every forward pass of the inner attack becomes `samples` passes with draws of their own.
    """

    spends = Passes("samples x attack", "samples x attack")

    attack: Attack
    samples: Count = 20  # passes that are averaged
    common: bool = False  # the same draws at every point, so that points are comparable

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        draws = Draws(self.samples, rng.fold("draws"), common=self.common)
        mean = objective.averaged(draws)
        search = self.attack.iterate(mean, region, self.attack.own(rng), start)
        yield from scored(search, mean, region, rng)  # also the end: one draw is too noisy
