"""Carlini and Wagner's L0 attack: freeze the least important coordinates, again and again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.tradeoff import TanhSpace
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces.norm_balls import projections
from holdfast.tensors import expand_like, normalize
from holdfast.threat import CountsCoordinates, Trait
from holdfast.units import Count, OfSearch, Positive, Share

_EDGE = 1e-3  # least distance of a start from the range's ends, in halves of its width


@register("attack", name="cw_l0")
@dataclass(frozen=True, kw_only=True)
class CWL0(Attack):
    """Attack in L2, freeze the places that contribute least to the margin, and attack again.

    Carlini and Wagner, 2017, arXiv:1608.04644, sec. VI-B. Each search starts where the last one
    that worked ended; one that fails is repeated with fewer places frozen.
    """

    needs = (Trait.VECTOR, CountsCoordinates)
    nearest = True
    spends = Passes("at most binary_search_steps x steps + 1", "binary_search_steps x steps")

    steps: Count = 50  # of each search, at most
    binary_search_steps: Count = 50  # sets of places, at most
    learning_rate: OfSearch = 0.3  # Adam's, in the coordinates of the search
    initial_const: Positive = 10.0  # first c, for the margin's gradient over its largest coordinate
    share: Share = 0.3  # of the changed places that are frozen after a success

    def iterate(
        self, objective: Objective, region: CountsCoordinates, rng: Rng, start: Tensor | None
    ) -> Walk:
        objective = objective.using(Margin())
        x, (low, high) = region.center(), region.range
        chosen = _Chosen(region, x, x if start is None else start, self.initial_const)
        for i in range(self.binary_search_steps):
            tanh_space = TanhSpace(region, chosen.z, self.learning_rate, _EDGE)
            for k in range(self.steps):
                z = torch.where(chosen.mask, tanh_space.z, x)
                here, grad = value_and_grad(objective, region, z, rng.fold("search", i).at(k))
                yield here
                up = normalize(grad, torch.inf)
                chosen.update(here, up * torch.where(up > 0, high - x, low - x))
                if bool((chosen.reached | chosen.done).all()):
                    break
                down = 2 * (here.z - x) / (high - low) - expand_like(chosen.c, up) * up
                tanh_space.step(torch.where(chosen.mask, down, 0.0), chosen.reached | chosen.done)
            chosen.move(self.share)
            if bool(chosen.done.all()):
                return
        yield Unscored(chosen.z)


class _Chosen:
    """Each example's free and frozen places, and its last success."""

    def __init__(self, region: CountsCoordinates, x: Tensor, z: Tensor, weight: float) -> None:
        self.region, self.x = region, x
        self.z = z  # the last success; before the first one, the start
        self.worth = region.by_place(x).sum(1)  # (B, P): gain of each place there
        self.free = torch.ones_like(self.worth, dtype=torch.bool)  # in this search
        self.good = self.free  # changed at the last success
        self.needed = ~self.free  # the attack failed when this place alone was frozen
        self.found = self.done = torch.zeros_like(self.free.any(1))
        one = torch.ones_like(self.found, dtype=x.dtype)
        self.c, self.count = weight * one, torch.inf * one
        self.reached = self.found

    @property
    def mask(self) -> Tensor:
        """Return (B, ...) bool: the numbers that may change."""
        return self.region.expand_places(self.free)

    def update(self, here: Scored, gains: Tensor) -> None:
        """Keep a point if it is a success, with the possible gains of its coordinates."""
        new = ~self.reached & ~self.done & (here.harm > here.edge)
        moved = self.region.by_place(here.z != self.x).any(1)
        self.z = torch.where(expand_like(new, here.z), here.z, self.z)
        self.worth = torch.where(new[:, None], self.region.by_place(gains).sum(1), self.worth)
        self.good = torch.where(new[:, None], self.free & moved, self.good)
        self.reached = self.reached | new

    def move(self, share: float) -> None:
        """Freeze the places of least gain after a success; after a failure, half as many.

        A place whose freezing alone fails is needed. Before the first success c grows instead.
        """
        alone = self.found & ~self.reached & (self.count <= 1)
        self.needed = self.needed | (self.good & ~self.free & alone[:, None])
        self.found = self.found | self.reached
        self.c = torch.where(self.found, self.c, self.c * 10)
        fresh = (share * self.good.sum(1)).floor()
        self.count = torch.where(self.reached, fresh, (self.count / 2).floor()).clamp_min(1)
        able = self.good & ~self.needed
        self.done = self.done | (self.found & ~able.any(1))
        least = torch.where(able, 1 / (1 + self.worth), 0.0)
        out = projections.largest(least, self.count) & self.found[:, None]
        self.free = self.good & ~out
        self.reached = torch.zeros_like(self.found)
