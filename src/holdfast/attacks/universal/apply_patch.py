"""Application of a patch made beforehand to every input, at random places."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate, query
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.universal.perturbation import Pattern, ProceduralNoise
from holdfast.components import register
from holdfast.models.wrappers.transforms import Transform
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Knowledge, Placed
from holdfast.units import Count


@register("attack")
@dataclass(frozen=True, kw_only=True)
class ApplyPatch(Attack):
    """Put one patch on every input, at random places (Brown et al., 2017, arXiv:1712.09665).

    It uses nothing of the model. Examples that the patch was fitted on are refused.
    """

    needs = (Placed,)
    knowledge = Knowledge.TRANSFER
    spends = Passes("places + 1")

    perturbation: Pattern = ProceduralNoise()  # the patch; `fit` makes one
    places: Count = 1  # of each input, the worst of which counts
    transforms: tuple[Transform, ...] = ()  # of the patch, drawn anew at every place

    def iterate(self, objective: Objective, region: Placed, rng: Rng, start: Tensor | None) -> Walk:
        self.perturbation.refuse(region.x)
        content = self.perturbation.content(region, objective.y)
        for k in range(self.places + 1):
            z, at = region.center(), rng.at(k)
            if k > 0:
                seen, covers = transformed(content, self.transforms, region.range, at)
                z = region.pasted(seen, at.fold("place"), covers)
            if objective.grants(Knowledge.SCORE):
                yield evaluate(objective, region, z, at)
            else:
                yield query(objective, region, z, at)[0]

    def own(self, rng: Rng) -> Rng:
        """Draw the same places for every patch: two compare there, in whatever folders they lie."""
        return rng.fold("pasted")


def transformed(
    content: Tensor, transforms: tuple[Transform, ...], range: tuple[float, float], at: Rng
) -> tuple[Tensor, Tensor]:
    """Return content (B, C, h, w) as it may be seen, and (B, 1, h, w) how much of it covers."""
    covers = torch.ones_like(content[:, :1])
    for k, transform in enumerate(transforms):
        draws = at.fold("transform", k)
        content = transform(content, draws)
        if transform.moves:
            covers = transform(covers, draws)
    seen = content / covers.clamp_min(1e-6)  # at its edges a turned patch is mixed with black
    return torch.where(covers > 0, seen, content).clamp(*range), covers.clamp(0, 1)
