"""Sign-OPT: descend the boundary's distance as a function of the direction, by labels alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.directions import normal
from holdfast.attacks.decision_based.search import (
    Bisection,
    BoundarySearch,
    Normal,
    fill,
    probe_budget,
    unit,
)
from holdfast.components import register
from holdfast.rng import Rng
from holdfast.tensors import either, expand_like, norm, select
from holdfast.threat import Normed, Trait
from holdfast.tree import take
from holdfast.units import Count, Half, OfDirection, Positive

BACK, PROBE, LINE, CUT = range(4)
EDGE = 0.01  # least improvement by a step and tolerance of its distance, as shares
SHRINK = 0.25  # factor on a step that brought no improvement
LEAST = 1e-3  # the smallest step


@register("attack", name="sign_opt")
@dataclass(frozen=True, kw_only=True)
class SignOPT(BoundarySearch):
    """Descend the distance along a direction by the signs of its slopes (Cheng et al., 2020)."""

    needs = (Normed, Trait.EUCLIDEAN)

    queries: Count = 5000
    probes: Count = 200  # directions whose slope's sign is queried, before each step
    smoothing: Positive = 0.01  # length of a probe, the direction having length 1
    first_step: OfDirection = 0.2  # the first step, the direction having length 1
    tolerance: Half = 0.0001  # how exactly a distance is found, as a share of it

    def search(self, region: Normed) -> _SignOPTState:
        return _SignOPTState(self, region)


class _SignOPTState:
    """Each example's best direction, the distance along it, and its phase."""

    def __init__(self, attack: SignOPT, region: Normed) -> None:
        self.attack, self.region, self.x = attack, region, region.center()
        self.theta = self.base = self.slope = self.probe = torch.zeros_like(self.x)
        zeros = torch.zeros_like(region.radius)
        self.fine, self.rough = Bisection(zeros, attack.tolerance), Bisection(zeros, EDGE)
        self.normal = Normal(self.x, zeros)
        self.phase = torch.full_like(zeros, BACK, dtype=torch.int64)
        self.distance, self.goal = zeros, zeros
        self.step = torch.full_like(zeros, attack.first_step)
        self.moved, self.left = zeros.bool(), attack.queries

    def set_start(self, z: Tensor, new: Tensor) -> None:
        change = z - self.x
        self.theta = select(new, unit(change), self.theta)
        self._back(new, norm(change, 2), 0.5)

    def propose(self, at: Rng, left: int) -> Tensor:
        self.left = left
        theta, distance = self.theta, torch.where(self.phase == BACK, self.fine.middle, 0.0)
        probes = self.phase == PROBE
        if bool(probes.any()):
            self.probe = fill(
                self.probe, probes, lambda r: unit(normal(take(theta, r), at.take(r)))
            )
            theta = fill(theta, probes, self._probe_direction)
            distance = torch.where(probes, self.distance, distance)
        if bool((self.phase >= LINE).any()):
            theta = fill(theta, self.phase >= LINE, self._trial_direction)
            nearer = torch.where(self.phase == LINE, (1 - EDGE) * self.distance, self.rough.middle)
            distance = torch.where(self.phase >= LINE, nearer, distance)
        return self.region.project(self.x + expand_like(distance, theta) * theta)

    def _probe_direction(self, rows: Tensor) -> Tensor:
        return unit(take(self.theta, rows) + self.attack.smoothing * take(self.probe, rows))

    def _trial_direction(self, rows: Tensor) -> Tensor:
        base, slope = take(self.base, rows), take(self.slope, rows)
        return unit(base + expand_like(take(self.step, rows), base) * slope)

    def update(self, z: Tensor, reached: Tensor, active: Tensor) -> None:
        back, probe, line, cut = (active & (self.phase == k) for k in (BACK, PROBE, LINE, CUT))
        self.fine.update(reached, back)
        self._start_probing(back & self.fine.converged)
        if bool(probe.any()):
            self._probed(reached, probe)
        if bool((line | cut).any()):
            self._cut(reached, cut)
            self._line(reached, line)

    def _back(self, new: Tensor, high: Tensor, gap: float) -> None:
        """Find the distance along the direction next, exactly."""
        self.phase = torch.where(new, BACK, self.phase)
        self.fine.reset(new, high, gap)

    def _start_probing(self, new: Tensor) -> None:
        """Query slopes next."""
        self.phase = torch.where(new, PROBE, self.phase)
        self.distance = torch.where(new, self.fine.high, self.distance)
        self.normal.reset(new)
        wanted = torch.full_like(self.goal, self.attack.probes)
        self.goal = torch.where(new, probe_budget(wanted, self.left), self.goal)

    def _probed(self, reached: Tensor, asked: Tensor) -> None:
        self.normal.update(self.probe, reached, asked)
        done = asked & (self.normal.count >= self.goal)
        self.phase = torch.where(done, LINE, self.phase)
        self.base = select(done, self.theta, self.base)
        self.slope = fill(self.slope, done, self.normal.estimate)
        self.moved = self.moved & ~done

    def _line(self, reached: Tensor, asked: Tensor) -> None:
        """Go down a direction that is nearer; else stop, or shorten the step."""
        hit, missed = asked & reached, asked & ~reached
        self.phase = torch.where(hit, CUT, self.phase)
        self.rough.reset(hit, (1 - EDGE) * self.distance, 2 * EDGE)
        ends = missed & (self.moved | (self.step < LEAST))
        stuck = ends & ~self.moved
        self.step = torch.where(
            missed, self.step * either(self.moved, 0.5, SHRINK, self.step), self.step
        )
        self.step = torch.where(stuck, self.attack.first_step, self.step)
        self._back(ends & self.moved, self.distance, 2 * EDGE)
        self._start_probing(stuck)

    def _cut(self, reached: Tensor, asked: Tensor) -> None:
        """Keep the direction whose distance is known roughly, and try twice the step."""
        self.rough.update(reached, asked)
        done = asked & self.rough.converged
        self.theta = fill(self.theta, done, self._trial_direction)
        self.distance = torch.where(done, self.rough.high, self.distance)
        self.moved = self.moved | done
        self.step = torch.where(done, 2 * self.step, self.step)
        self.phase = torch.where(done, LINE, self.phase)
