"""Boundary: a random walk along the boundary that comes nearer to the input."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.directions import normal
from holdfast.attacks.decision_based.search import (
    Bisection,
    BoundarySearch,
    fill,
    project_to_radius,
    unit,
)
from holdfast.components import register
from holdfast.rng import Rng
from holdfast.tensors import either, expand_like, norm, select
from holdfast.threat import Normed, Trait
from holdfast.tree import take
from holdfast.units import Count, Half, Share

BACK, ASIDE, NEARER = range(3)
PACE = 1.15  # by which a step grows where it succeeds; where it fails, it shrinks
LONGEST = 1.0  # of a step, in distances


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Boundary(BoundarySearch):
    """Step along the sphere around the input, then towards it (Brendel et al., 2018, alg. 1)."""

    needs = (Normed, Trait.EUCLIDEAN)

    queries: Count = 10000
    spherical_step: Share = 0.1  # length of the first step along the sphere, in distances
    source_step: Half = 0.1  # length of the first step towards the input, in distances

    def search(self, region: Normed) -> _BoundaryState:
        return _BoundaryState(self, region)


class _BoundaryState:
    """Each example's point, its next candidate, and its step lengths."""

    def __init__(self, attack: Boundary, region: Normed) -> None:
        self.region, self.x = region, region.center()
        self.z = self.far = self.there = self.x
        zeros = torch.zeros_like(region.radius)
        self.cut = Bisection(zeros, 0.01)
        self.phase = torch.full_like(zeros, BACK, dtype=torch.int64)
        self.spherical_step = torch.full_like(zeros, attack.spherical_step)
        self.source_step = torch.full_like(zeros, attack.source_step)

    def set_start(self, z: Tensor, new: Tensor) -> None:
        self.z, self.far = select(new, z, self.z), select(new, z, self.far)
        self.phase = torch.where(new, BACK, self.phase)
        self.cut.reset(new, self.region.size(z))

    def propose(self, at: Rng, left: int) -> Tensor:
        z = project_to_radius(self.region, self.phase == BACK, self.cut.middle, self.far, self.z)
        z = fill(z, self.phase == ASIDE, lambda rows: self._spherical_step(rows, at.take(rows)))
        return fill(z, self.phase == NEARER, self._source_step)

    def _spherical_step(self, rows: Tensor, at: Rng) -> Tensor:
        """Return a random point at the same distance, a step away from z, (n, ...)."""
        region = self.region.take(rows)
        change = take(self.z, rows) - region.center()
        length, along = norm(change, 2), unit(change)
        step = normal(change, at)
        across = unit(step - expand_like((step * along).flatten(1).sum(1), step) * along)
        moved = unit(along + expand_like(take(self.spherical_step, rows), step) * across)
        return region.project(region.center() + expand_like(length, step) * moved)

    def _source_step(self, rows: Tensor) -> Tensor:
        """Return the point that was reached, a step nearer to x, (n, ...)."""
        region, there = self.region.take(rows), take(self.there, rows)
        nearer = expand_like(take(self.source_step, rows), there)
        return region.project(there + nearer * (region.center() - there))

    def update(self, z: Tensor, reached: Tensor, active: Tensor) -> None:
        back, aside, nearer = (active & (self.phase == k) for k in (BACK, ASIDE, NEARER))
        self.cut.update(reached, back)
        self.there = select(aside & reached, z, self.there)
        self.z = select((back | nearer) & reached, z, self.z)
        self.spherical_step = _adapted(self.spherical_step, reached, aside).clamp_max(LONGEST)
        self.source_step = _adapted(self.source_step, reached, nearer).clamp_max(0.5)
        ends = (back & self.cut.converged) | nearer
        phase = torch.where(aside & reached, NEARER, self.phase)
        self.phase = torch.where(ends, ASIDE, phase)


def _adapted(length: Tensor, reached: Tensor, asked: Tensor) -> Tensor:
    """Return (B,): longer where a step succeeded, shorter where it failed."""
    return torch.where(asked, length * either(reached, PACE, 1 / PACE, length), length)
