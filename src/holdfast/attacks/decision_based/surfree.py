"""SurFree: rotation around the input in random planes, as far as the label allows."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Annotated

import torch
from torch import Tensor

from holdfast.attacks.core.directions import Basis, Cosines
from holdfast.attacks.decision_based.search import (
    Bisection,
    BoundarySearch,
    project_to_radius,
    unit,
)
from holdfast.components import register
from holdfast.rng import Rng
from holdfast.tensors import either, expand_like, norm, select
from holdfast.threat import Normed, Trait
from holdfast.units import Count, Half, Within

BACK, LEFT, RIGHT, TURN = range(4)
PACE = 0.95  # by which the first angle shrinks where both signs fail, and grows where one succeeds
STEEPEST = 0.5 * pi * 0.98
Angle = Annotated[float, Within(0, 80, above=True)]


@register("attack", name="surfree")
@dataclass(frozen=True, kw_only=True)
class SurFree(BoundarySearch):
    """Turn in the plane of the change and a new direction (Maho, Furon and Le Merrer, 2021)."""

    needs = (Normed, Trait.EUCLIDEAN)

    queries: Count = 5000
    angle: Angle = 30.0  # the first turn that is tried, in degrees
    tolerance: Half = 0.1  # how exactly the widest turn is found, as a share of it
    basis: Basis = Cosines()  # of the directions

    def search(self, region: Normed) -> _SurFreeState:
        return _SurFreeState(self, region)


class _SurFreeState:
    """Each example's point, the direction of its rotation, and the bracket of its angle."""

    def __init__(self, attack: SurFree, region: Normed) -> None:
        self.attack, self.region, self.x = attack, region, region.center()
        self.z = self.far = self.across = self.x
        zeros = torch.zeros_like(region.radius)
        self.cut = Bisection(zeros, 0.01)
        self.phase = torch.full_like(zeros, BACK, dtype=torch.int64)
        self.first = torch.full_like(zeros, attack.angle * pi / 180)
        self.low, self.high, self.sign = zeros, zeros, zeros
        self.count = zeros.long()
        self.order = torch.zeros_like(self.x.flatten(1), dtype=torch.int64)

    def set_start(self, z: Tensor, new: Tensor) -> None:
        self.z, self.far = select(new, z, self.z), select(new, z, self.far)
        self.phase = torch.where(new, BACK, self.phase)
        self.cut.reset(new, self.region.size(z))

    def propose(self, at: Rng, left: int) -> Tensor:
        self.at = at
        z = project_to_radius(self.region, self.phase == BACK, self.cut.middle, self.far, self.z)
        if bool((self.phase != BACK).any()):
            z = select(self.phase != BACK, self._turned(), z)
        return z

    def _turned(self) -> Tensor:
        """Return the point of the circle over x and `far` that is next, (B, ...)."""
        change = self.far - self.x
        length = norm(change, 2)
        turn, sign = self._angle(), torch.where(self.phase == RIGHT, -1.0, self.sign)
        ahead = expand_like(turn.cos() ** 2, change) * change
        aside = expand_like(sign * length * turn.cos() * turn.sin(), change) * self.across
        return self.region.project(self.x + ahead + aside)

    def _angle(self) -> Tensor:
        """Return (B,): the first turn, its double until one fails, then halves."""
        wider = torch.minimum(2 * self.low, (self.low + STEEPEST) / 2)
        between = torch.where(self.high < STEEPEST, (self.low + self.high) / 2, wider)
        return torch.where(self.phase == TURN, between, self.first)

    def update(self, z: Tensor, reached: Tensor, active: Tensor) -> None:
        back, left, right, turn = (active & (self.phase == k) for k in (BACK, LEFT, RIGHT, TURN))
        self.z = select(active & reached, z, self.z)
        self.cut.update(reached, back)
        starts = (left | right) & reached
        self.sign = torch.where(left, 1.0, torch.where(right, -1.0, self.sign))
        angle = self._angle()
        self.low = torch.where((starts | turn) & reached, angle, self.low)
        short = torch.where(turn & ~reached, angle, self.high)
        self.high = torch.where(starts, STEEPEST, short)
        pace = torch.where(starts, 1 / PACE, either(right, PACE, 1.0, self.first))
        self.phase = torch.where(starts, TURN, torch.where(left, RIGHT, self.phase))
        self.first = (self.first * pace).clamp_max(STEEPEST / 2)
        turned = (turn | starts) & (self.high - self.low <= self.attack.tolerance * self.low)
        self._next((back & self.cut.converged) | (right & ~reached) | turned)

    def _next(self, new: Tensor) -> None:
        """Turn from z to another direction, at right angles to the change, where `new`."""
        if not bool(new.any()):
            return
        size = self.order.shape[1]
        again = new & (self.count % max(size, 1) == 0)
        if bool(again.any()):
            order = self.attack.basis.order(self.x, self.at.fold("order"))
            self.order = torch.where(again[:, None], order, self.order)
        which = self.order.gather(1, (self.count % size)[:, None])[:, 0]
        across = self.attack.basis.direction(self.x, which)
        along = unit(self.z - self.x)
        across = unit(across - expand_like((across * along).flatten(1).sum(1), along) * along)
        self.far, self.across = select(new, self.z, self.far), select(new, across, self.across)
        self.phase = torch.where(new, LEFT, self.phase)
        self.count = self.count + new
