"""RayS: search for the sign vector along which the boundary is nearest, from labels alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, prod

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, query
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.decision_based.search import Bisection
from holdfast.components import register
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import either, expand_like, select
from holdfast.threat import Boxed, Knowledge, Normed
from holdfast.units import Count, Half


@register("attack", name="rays")
@dataclass(frozen=True, kw_only=True)
class RayS(Attack):
    """Flip ever smaller blocks of signs, keeping nearer ones (Chen and Gu, 2020, alg. 3)."""

    needs = (Normed, Boxed)
    knowledge = Knowledge.DECISION
    nearest = True
    spends = Passes("queries")

    queries: Count = 5000
    tolerance: Half = 0.005  # how exactly a distance is found, as a share of it

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        center = region.center()
        point, misclassified = query(objective, region, center, rng.at(0))
        yield point
        rays = _RaySState(region, start, self.tolerance)
        for k in range(1, self.queries):
            z = select(misclassified, center, rays.propose())
            point, reached = query(objective, region, z, rng.at(k))
            yield point
            rays.update(reached, rng.at(k))


class _RaySState:
    """Each example's signs, the distance to the boundary along them, and the next block."""

    def __init__(self, region: Normed, start: Tensor | None, tolerance: float) -> None:
        self.region, self.tolerance = region, tolerance
        x = region.center()
        low, high = region.range
        self.size = prod(x.shape[1:])
        self.levels = ceil(log2(self.size)) + 1 if self.size else 1
        signs = torch.ones_like(x) if start is None else torch.where(start < x, -1.0, 1.0)
        self.signs = self.trial = signs.to(x.dtype).flatten(1)
        zeros = torch.zeros_like(region.radius)
        self.cut = Bisection(zeros, tolerance)
        self.best = self.widest = torch.full_like(zeros, high - low)  # distance along the signs
        self.found = self.cutting = self.nearer = zeros.bool()
        self.level = self.block = zeros.long()
        self.place = torch.arange(self.size, device=x.device).expand(len(x), -1)

    def propose(self) -> Tensor:
        distance = torch.where(self.cutting, self.cut.middle, self._improved_distance())
        x = self.region.center()
        return self.region.project(x + expand_like(distance, x) * self.trial.reshape(x.shape))

    def _improved_distance(self) -> Tensor:
        """Return (B,): the distance at which a trial improves on the present signs."""
        return torch.where(self.found, self.best * (1 - self.tolerance), self.best)

    def update(self, reached: Tensor, at: Rng) -> None:
        better = ~self.cutting & reached
        failed = ~self.cutting & ~reached
        self.cut.update(reached, self.cutting)
        gap = either(self.found, 2 * self.tolerance, 0.5, self.best)
        self.cut.reset(better, self._improved_distance(), gap)
        self.cutting = self.cutting | better
        done = self.cutting & self.cut.converged
        self.signs = torch.where(done[:, None], self.trial, self.signs)
        self.best = torch.where(done, self.cut.high, self.best)
        self.found, self.cutting = self.found | done, self.cutting & ~done
        self.nearer = self.nearer | done
        self._advance(done | failed, at)

    def _advance(self, next_: Tensor, at: Rng) -> None:
        """Let the next block be tried; after the last, begin again with coordinates shuffled."""
        length = (self.size / 2.0**self.level).ceil().long().clamp_min(1)
        first = self.block * length
        flips = (self.place >= first[:, None]) & (self.place < (first + length)[:, None])
        trial = torch.where(flips, -self.signs, self.signs)
        self.trial = torch.where(next_[:, None], trial, self.trial)
        last = next_ & (first + length >= self.size)
        self.block = torch.where(last, 0, self.block + next_)
        self.level = self.level + last
        over = self.level >= self.levels
        if bool(over.any()):
            self._again(over, at)

    def _again(self, over: Tensor, at: Rng) -> None:
        """Shuffle the coordinates where `over`; where nothing came nearer, start from new signs."""
        self.level = torch.where(over, 0, self.level)
        shuffled = at.fold("place").uniform((self.size,)).argsort(1)
        self.place = torch.where(over[:, None], shuffled, self.place)
        stuck = over & ~self.nearer
        signs = at.fold("signs").sign((self.size,)).to(self.signs.dtype)
        self.signs = torch.where(stuck[:, None], signs, self.signs)
        self.best = torch.where(stuck, self.widest, self.best)
        self.found, self.nearer = self.found & ~stuck, self.nearer & ~over
