"""GeoDA: estimate the boundary's normal and go along it from the input to the boundary."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.decision_based.search import (
    Bisection,
    BoundarySearch,
    Normal,
    fill,
    low_frequency_noise,
    probe_budget,
    project_to_radius,
    unit,
)
from holdfast.components import register
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm, select
from holdfast.threat import Dense, Normed
from holdfast.tree import take
from holdfast.units import Count, Positive, Share

BACK, PROBE, AHEAD, CUT = range(4)
EDGE = 0.01  # the least improvement by a new normal, as a share of the distance


@register("attack", name="geoda")
@dataclass(frozen=True, kw_only=True)
class GeoDA(BoundarySearch):
    """Go from the input along the boundary's estimated normal (Rahmati et al., 2020, alg. 1)."""

    needs = (Normed, Dense)

    queries: Count = 5000
    initial_gradient_queries: Count = 100  # queries for the first normal
    growth: Positive = 1.4  # of the number of queries, from normal to normal
    length: Share = 0.02  # of a probe, in distances
    share: Share = 1.0  # of the frequencies along each axis, the lowest ones, that probes have

    def search(self, region: Normed) -> _GeoDAState:
        return _GeoDAState(self, region)


class _GeoDAState:
    """Each example's nearest boundary point, the estimate of the normal there, and its phase."""

    def __init__(self, attack: GeoDA, region: Normed) -> None:
        self.attack, self.region, self.x = attack, region, region.center()
        self.z = self.far = self.x
        zeros = torch.zeros_like(region.radius)
        self.cut, self.normal = Bisection(zeros, 0.001), Normal(self.x, zeros)
        self.phase = torch.full_like(zeros, BACK, dtype=torch.int64)
        self.goal, self.wanted = zeros, torch.full_like(zeros, attack.initial_gradient_queries)
        self.left = attack.queries

    def set_start(self, z: Tensor, new: Tensor) -> None:
        self.z, self.far = select(new, z, self.z), select(new, z, self.far)
        self.phase = torch.where(new, BACK, self.phase)
        self.cut.reset(new, self.region.size(z))

    def propose(self, at: Rng, left: int) -> Tensor:
        self.left = left
        z = project_to_radius(self.region, self.phase == BACK, self.cut.middle, self.far, self.z)
        z = fill(z, self.phase == PROBE, lambda rows: self._probe_point(rows, at.take(rows)))
        return fill(z, self.phase >= AHEAD, self._step_point)

    def _probe_point(self, rows: Tensor, at: Rng) -> Tensor:
        """Return a random point near z, (n, ...)."""
        region, z = self.region.take(rows), take(self.z, rows)
        length = self.attack.length * norm(z - region.center(), 2)
        step = unit(low_frequency_noise(region.center(), at, self.attack.share)) * expand_like(
            length, z
        )
        return region.project(z + step)

    def _step_point(self, rows: Tensor) -> Tensor:
        """Return the point along the normal from x at the distance that is next, (n, ...)."""
        distance = torch.where(self.phase == CUT, self.cut.middle, self._improved_distance())
        region = self.region.take(rows)
        ball = region.at(take(distance, rows))
        return region.project(ball.step(region.center(), self.normal.estimate(rows), 1.0))

    def _improved_distance(self) -> Tensor:
        """Return (B,): the distance at which a new normal counts as an improvement."""
        return (1 - EDGE) * self.region.size(self.z)

    def update(self, z: Tensor, reached: Tensor, active: Tensor) -> None:
        back, probe, ahead, cut = (active & (self.phase == k) for k in (BACK, PROBE, AHEAD, CUT))
        if bool(probe.any()):
            self.normal.update(z - self.z, reached, probe)
        self.cut.reset(ahead & reached, self._improved_distance(), 2 * EDGE)
        self.cut.update(reached, back | cut)
        self.z = select((back | ahead | cut) & reached, z, self.z)
        self.phase = torch.where(ahead & reached, CUT, self.phase)
        self.phase = torch.where(probe & (self.normal.count >= self.goal), AHEAD, self.phase)
        arrived = (back | cut) & self.cut.converged
        self.normal.reset(arrived)
        self._start_probing(arrived | (ahead & ~reached))

    def _start_probing(self, new: Tensor) -> None:
        """Estimate the normal at z next; earlier answers there are kept."""
        self.phase = torch.where(new, PROBE, self.phase)
        more = probe_budget(self.wanted.ceil(), self.left)
        self.goal = torch.where(new, self.normal.count + more, self.goal)
        self.wanted = torch.where(new, self.attack.growth * self.wanted, self.wanted)
