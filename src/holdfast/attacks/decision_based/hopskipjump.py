"""HopSkipJump: estimate the boundary's normal, step along it, and go back to the boundary."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from holdfast.attacks.core.directions import normal
from holdfast.attacks.decision_based.search import (
    Bisection,
    BoundarySearch,
    Normal,
    fill,
    probe_budget,
    project_to_radius,
    unit,
)
from holdfast.components import register
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm, select
from holdfast.threat import Dense, Normed
from holdfast.tree import take
from holdfast.units import Count, Positive

BACK, PROBE, STEP = range(3)
HALVINGS = 12  # of a step, before the normal is estimated again


@register("attack", name="hopskipjump")
@dataclass(frozen=True, kw_only=True)
class HopSkipJump(BoundarySearch):
    """Climb along a normal estimated from labels (Chen, Jordan and Wainwright, 2020, alg. 2)."""

    needs = (Normed, Dense)

    queries: Count = 5000
    initial_gradient_queries: Count = 100  # of the first normal; sqrt(j) times as many of the j-th
    gamma: Positive = 1.0  # length of a probe, in Euclidean distances over the coordinates' number

    def search(self, region: Normed) -> _HopSkipJumpState:
        return _HopSkipJumpState(self, region)


class _HopSkipJumpState:
    """Each example's phase: bisection to the boundary, probes around it, a step away."""

    def __init__(self, attack: HopSkipJump, region: Normed) -> None:
        self.region, self.initial_gradient_queries = region, attack.initial_gradient_queries
        size = prod(region.x.shape[1:])
        self.reach = attack.gamma / size
        self.z = self.far = region.center()
        zeros = torch.zeros_like(region.radius)
        self.cut = Bisection(zeros, min(max(attack.gamma / size**1.5, 1e-6), 0.01))
        self.normal = Normal(self.z, zeros)
        self.phase = torch.full_like(zeros, BACK, dtype=torch.int64)
        self.round, self.goal, self.fraction, self.tries = zeros, zeros, zeros, zeros
        self.left = 0

    def set_start(self, z: Tensor, new: Tensor) -> None:
        self.z, self.far = select(new, z, self.z), select(new, z, self.far)
        self.phase = torch.where(new, BACK, self.phase)
        self.cut.reset(new, self.region.size(z))

    def propose(self, at: Rng, left: int) -> Tensor:
        self.left = left
        z = fill(self.z, self.phase == PROBE, lambda rows: self._probe_point(rows, at.take(rows)))
        z = project_to_radius(self.region, self.phase == BACK, self.cut.middle, self.far, z)
        return fill(z, self.phase == STEP, self._step_point)

    def _probe_point(self, rows: Tensor, at: Rng) -> Tensor:
        """Return a random point near z, (n, ...)."""
        region, z = self.region.take(rows), take(self.z, rows)
        length = self.reach * norm(z - region.center(), 2)
        return region.project(z + unit(normal(z, at)) * expand_like(length, z))

    def _step_point(self, rows: Tensor) -> Tensor:
        """Return z moved along the normal, (n, ...)."""
        region = self.region.take(rows)
        ball = region.at(take(self.cut.high, rows))
        estimate, fraction = self.normal.estimate(rows), take(self.fraction, rows)
        return region.project(ball.step(take(self.z, rows), estimate, fraction))

    def update(self, z: Tensor, reached: Tensor, active: Tensor) -> None:
        back, probe, step = (active & (self.phase == phase) for phase in (BACK, PROBE, STEP))
        self._back(z, reached, back)
        self._probe(z, reached, probe)
        self._stepped(z, reached, step)

    def _back(self, z: Tensor, reached: Tensor, asked: Tensor) -> None:
        if not bool(asked.any()):
            return
        self.cut.update(reached, asked)
        self.z = select(asked & reached, z, self.z)
        self._start_probing(asked & self.cut.converged)

    def _start_probing(self, new: Tensor) -> None:
        """Estimate the normal at z next."""
        if not bool(new.any()):
            return
        self.phase = torch.where(new, PROBE, self.phase)
        self.round = self.round + new
        self.normal.reset(new)
        wanted = (self.initial_gradient_queries * self.round.sqrt()).ceil()
        self.goal = torch.where(new, probe_budget(wanted, self.left), self.goal)

    def _probe(self, z: Tensor, reached: Tensor, asked: Tensor) -> None:
        if not bool(asked.any()):
            return
        self.normal.update(z - self.z, reached, asked)
        done = asked & (self.normal.count >= self.goal)
        self.phase = torch.where(done, STEP, self.phase)
        self.fraction = torch.where(done, 1 / self.round.sqrt().clamp_min(1), self.fraction)
        self.tries = torch.where(done, 0.0, self.tries)

    def _stepped(self, z: Tensor, reached: Tensor, asked: Tensor) -> None:
        if not bool(asked.any()):
            return
        moved = asked & reached
        if bool(moved.any()):
            self.set_start(z, moved)
        self.fraction = torch.where(asked, self.fraction / 2, self.fraction)
        self.tries = self.tries + asked
        self._start_probing(asked & ~reached & (self.tries >= HALVINGS))
