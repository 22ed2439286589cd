"""An attack whose inputs survive being written to a file of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Walk, evaluate, keeper, query, scored
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.components import register
from holdfast.objective import Objective, Score
from holdfast.quantization import on_grid, toward
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Knowledge, Normed, Region
from holdfast.units import Count

FARTHER = 0.02  # of the change, by which each further rounding goes beyond the one before


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Quantized(Wrapper):
    """The point that an attack found, rounded to the grid of an image file and scored again.

    Only points on the grid count. Each changed value goes to the nearest grid value; an input
    that this takes out of the set has its values rounded toward the unchanged input instead.
    """

    needs = (Normed,)
    spends = Passes("attack + roundings", "attack")

    attack: Attack
    bits: Count = 8  # per value, over the whole range
    roundings: Count = 1  # roundings: of the point itself, then of points each 2 % farther from x

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        best = keeper(self.attack, objective, region)
        spared = objective.sparing(
            self.roundings
        )  # the rounded point takes forward passes of its own
        search = self.attack.iterate(spared, region, self.attack.own(rng), start)
        pull: Tensor | None = None  # the largest gradient of the walk: none at all is a failure
        for here in scored(search, objective, region, rng):
            best.see(here)
            if here.grad is not None:
                pull = here.grad.abs() if pull is None else pull.maximum(here.grad.abs())
        z, lost = best.result().z, best.result().lost
        for k in range(self.roundings):
            farther = region.center() + (1 + FARTHER * k) * (z - region.center())
            rounded = self.rounded(region, farther)
            seen = self._seen(objective, region, rounded, rng.at(k, of=self.roundings))
            yield replace(seen, score=_unless(lost, seen), grad=pull)

    def rounded(self, region: Normed, z: Tensor) -> Tensor:
        """Return z (B, ...) on the grid and in the set; where no such input is known, x itself.

        Values that the search left alone stay unchanged.
        """
        low, high = region.range
        levels = 2**self.bits - 1
        unit, clean = ((part.double() - low) / (high - low) for part in (z, region.center()))
        nearest = on_grid(unit, levels).round().clamp(0, levels)
        found = region.center()
        for grid in (toward(unit, clean, levels), nearest):
            value = (low + grid * (high - low) / levels).to(z.dtype).clamp(low, high)
            value = torch.where(z == region.x, region.x, value)
            found = torch.where(expand_like(region.contains(value), z), value, found)
        return found

    def _seen(self, objective: Objective, region: Region, z: Tensor, at: Rng) -> Scored:
        if self.demands().knowledge is Knowledge.DECISION:
            return query(objective, region, z, at)[0]
        return evaluate(objective, region, z, at)


def _unless(lost: Tensor, seen: Scored) -> Score:
    """Return the score; no number where the search was lost and the rounded point is no success."""
    unknown = lost & ~(seen.harm > seen.tie)
    return Score.known(
        seen.loss, torch.where(unknown, torch.nan, seen.harm), seen.tie, seen.score.logits
    )
