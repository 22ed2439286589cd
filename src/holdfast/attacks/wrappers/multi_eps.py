"""An attack that runs in larger sets first and ends in the threat model's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, scored
from holdfast.attacks.core.points import Held
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.attacks.gradient.apgd import APGD
from holdfast.components import register
from holdfast.errors import InputError
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Normed


@register("attack")
@dataclass(frozen=True, kw_only=True)
class MultiEps(Wrapper):
    """Split the steps over smaller and smaller radii; each run starts where the last one was best.

    Croce and Hein, 2021, arXiv:2103.01208, sec. 4 (multi-eps). Points of the larger sets
    are never a result.
    """

    needs = (Normed,)
    baseline = "APGD alone, or in L1 this around APGD"

    attack: Attack = APGD()
    radii: tuple[float, ...] = (3.0, 2.0, 1.0)  # of the runs, in radii; the last one is 1
    shares: tuple[float, ...] = (0.3, 0.3, 0.4)  # of the steps, for each run

    def __post_init__(self) -> None:
        if not hasattr(self.attack, "steps") or self.attack.demands().nearest:
            raise InputError(
                "MultiEps splits the steps of an attack that stays within the radius, got "
                f"{type(self.attack).__name__}: use one such as APGD(steps=100)"
            )
        if len(self.radii) != len(self.shares) or not self.radii or self.radii[-1] != 1:
            raise InputError(
                f"MultiEps needs a share for each radius and ends at radius 1, got {self.radii} "
                f"and {self.shares}"
            )
        if min(self.radii) < 1 or min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise InputError(
                "MultiEps needs radii of at least 1 and positive shares that add up to 1, got "
                f"{self.radii} and {self.shares}"
            )

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        runs = self.runs()
        for i, (radius, attack) in enumerate(runs[:-1]):
            wide = region.at(radius * region.radius)
            best = Held(region.center(), torch.full_like(region.radius, -torch.inf))
            points = attack.iterate(objective, wide, rng.fold("run", i), start)
            for here in scored(points, objective, wide, rng):
                best = best.or_better(here)
            start = region.at(runs[i + 1][0] * region.radius).project(best.z)
        yield from runs[-1][1].iterate(objective, region, rng.fold("run", len(runs)), start)

    def runs(self) -> list[tuple[float, Attack]]:
        """Return radius and attack of each run that gets a step."""
        inner: Any = self.attack
        found, done, share = [], 0, 0.0
        for radius, part in zip(self.radii, self.shares, strict=True):
            share += part
            steps = int(inner.steps * share + 1e-6) - done
            done += steps
            if steps > 0:
                found.append((radius, replace(inner, steps=steps)))
        return found

    def passes(self) -> tuple[int, int]:
        costs = [attack.passes() for _, attack in self.runs()]
        return sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)
