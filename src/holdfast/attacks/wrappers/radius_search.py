"""Binary search over the radius of an attack, for the nearest counterexample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, MinimumNormTracker, Walk, scored
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.components import register
from holdfast.errors import InputError
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Normed, Trait
from holdfast.units import Count, Positive


@register("attack")
@dataclass(frozen=True, kw_only=True)
class RadiusSearch(Wrapper):
    """Double each example's radius until the attack succeeds, then go halfway between.

    The binary search that AttackBench puts around attacks of one radius (Cina et al., 2025,
    arXiv:2404.19460, sec. 3), but each run starts where the nearest success so far is, projected
    onto the new set, so that no success is searched for twice.
    """

    needs = (Normed,)
    nearest = True
    baseline = "FMN, PDPGD or another search for the nearest"
    spends = Passes("radii x attack", "radii x attack")

    attack: Attack
    first: Positive  # the radius that is tried first, in the units of the set
    radii: Count = 10  # that are tried, each with a run of its own

    def __post_init__(self) -> None:
        if self.attack.demands().nearest:
            raise InputError(
                "RadiusSearch searches the radius of an attack that stays within one, got "
                f"{type(self.attack).__name__}, which looks for the nearest already: use it alone"
            )

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        best, radii = MinimumNormTracker(objective, region), _Radii(region, self.first)
        for k in range(self.radii):
            around, at = region.at(radii.next), rng.fold("radius", k)
            start = None if start is None else around.project(start)
            for part in self.attack.parts():
                points = part.iterate(objective, around, part.own(at), start)
                for here in scored(points, objective, around, at):
                    best.see(here)
                    yield here
            found = best.result()
            radii.follow(found.size)
            start = found.z


class _Radii:
    """Each example's radius to try next, and the largest that was not enough."""

    def __init__(self, region: Normed, first: float) -> None:
        self.counts = Trait.INTEGER in region.traits
        self.next = torch.full_like(region.radius, max(first, 1.0) if self.counts else first)
        self.low = torch.zeros_like(self.next)

    def follow(self, size: Tensor) -> None:
        """Take the sizes (B,) of the nearest successes into account; infinite where none is."""
        short = size > self.next * (1 + 1e-5)  # a size is rounded
        tried = torch.maximum(self.low, self.next)
        self.low = torch.minimum(torch.where(short, tried, self.low), size)
        halfway = (self.low + size) / 2
        if self.counts:
            halfway = torch.minimum(halfway, size - 1).floor().clamp_min(1)
        self.next = torch.where(size.isinf(), 2 * self.next, halfway)
