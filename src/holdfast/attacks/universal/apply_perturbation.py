"""Application of one universal perturbation to every input."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate, query
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.universal.perturbation import Pattern, ProceduralNoise
from holdfast.components import register
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Knowledge, Normed


@register("attack")
@dataclass(frozen=True, kw_only=True)
class ApplyPerturbation(Attack):
    """Add one change to every input (Moosavi-Dezfooli et al., 2017, arXiv:1610.08401).

    It uses nothing of the model. Examples that the change was fitted on are refused.
    """

    needs = (Normed,)
    knowledge = Knowledge.TRANSFER
    spends = Passes("2")

    perturbation: Pattern = ProceduralNoise()  # the change to add; `fit` makes one

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        self.perturbation.refuse(region.x)
        changed = region.x + self.perturbation.change(region, objective.y)
        for z in (region.center(), region.project(changed)):
            if objective.grants(Knowledge.SCORE):
                yield evaluate(objective, region, z, rng)
            else:
                yield query(objective, region, z, rng)[0]
