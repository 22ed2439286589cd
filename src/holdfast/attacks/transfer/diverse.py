"""Components of transfer attacks: momentum, views of the input and variance tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.preset import Preset
from holdfast.attacks.transfer.views import View, copies, mean_gradient, smoothed
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm, normalize, safe_divide, select
from holdfast.threat import Normed, Trait
from holdfast.units import Count, NotNegative, OfRadius, Positive


class Momentum:
    """The interface of every kind of momentum; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "momentum"
    decay: float  # of the running sum, per step

    def ahead(self, region: Normed, z: Tensor, running: Tensor, step_size: float) -> Tensor:
        """Return the point at which the next gradient is taken; it may lie outside the set."""
        return z


@register("momentum")
@dataclass(frozen=True, kw_only=True)
class ClassicMomentum(Momentum):
    """A running sum of normalized gradients (MI; Dong et al., 2018, arXiv:1710.06081, eq. 6)."""

    decay: NotNegative = 1.0


@register("momentum")
@dataclass(frozen=True, kw_only=True)
class Nesterov(Momentum):
    """The same, with gradients at the look-ahead point (NI; Lin et al., 2020, eqs. 6 to 8)."""

    decay: NotNegative = 1.0

    def ahead(self, region: Normed, z: Tensor, running: Tensor, step_size: float) -> Tensor:
        ones = torch.ones_like(z)
        full = region.dual_norm(ones) / region.size(region.center() + ones)
        return z + expand_like(self.decay * step_size * region.radius * full, z) * running


@register("variance")
@dataclass(frozen=True, kw_only=True)
class VarianceTuning:
    """Correct a gradient by how the last point's differs from its neighbors' (VT).

    X. Wang and He, 2021, arXiv:2103.15571, algorithm 1: v = mean gradient of neighbors - gradient.
    """

    kind: ClassVar[str] = "variance"

    count: Count = 20  # neighbors whose gradients are averaged
    reach: Positive = 1.5  # how far neighbors are drawn, as a multiple of the radius

    def correction(
        self, objective: Objective, region: Normed, z: Tensor, at: Rng, views: tuple[View, ...]
    ) -> Tensor:
        """Return the mean gradient (B, ...) of `count` points drawn around z."""
        total = torch.zeros_like(z)
        for i in range(self.count):
            near = at.fold("neighbor", i)
            away = region.scatter(near) - region.center()
            total = total + mean_gradient(objective, region, z + self.reach * away, near, views)
        return total / self.count


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Diverse(Attack):
    """I-FGSM with momentum, views of the input and variance tuning (Dong 2018 to X. Wang 2021).

    The last point is the result: the surrogate cannot tell which point transfers best. An example
    without any gradient so far takes random steps; it still counts as failed unless the attack
    succeeds.
    """

    needs = (Trait.VECTOR, Normed)
    spends = Passes("1 + steps x _copies + _corrections", "steps x _copies + _corrections")

    steps: Count = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    momentum: Momentum = ClassicMomentum()
    views: tuple[View, ...] = ()  # copies of the input whose gradients are averaged
    variance: VarianceTuning | None = None  # neighbors whose gradients correct the step
    loss: Loss | None = None  # None: the objective's own

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        running = correction = seen = torch.zeros_like(z)
        for k in range(self.steps):
            at = rng.at(k, of=self.steps)
            here = self.momentum.ahead(region, z, running, self.step_size)
            grad = mean_gradient(objective, region, here, at, self.views)
            seen = torch.maximum(seen, grad.abs())
            follow = over_dual_norm(region, smoothed(grad + correction, self.views))
            running = self.momentum.decay * running + follow
            if self.variance is not None and k + 1 < self.steps:
                near = self.variance.correction(objective, region, z, at, self.views)
                correction = near - grad
            z = region.project(region.step(z, _or_anywhere(running, at), self.step_size))
        yield Unscored(z, seen)

    @property
    def _copies(self) -> int:
        return copies(self.views)

    @property
    def _corrections(self) -> int:
        """Return how many gradients variance tuning takes; there is none after the last step."""
        if self.variance is None:
            return 0
        return (self.steps - 1) * self.variance.count * self._copies

    def travel(self) -> float | None:
        return self.steps * self.step_size


@dataclass(frozen=True, kw_only=True)
class TransferPreset(Preset):
    """Base class of the published attacks that are a choice among the settings of Diverse."""

    needs = Diverse.needs

    steps: Count = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    decay: NotNegative = 1.0  # of the running sum, per step
    loss: Loss | None = None  # None: the objective's own

    def diverse(
        self, momentum: Momentum, *views: View, variance: VarianceTuning | None = None
    ) -> Diverse:
        """Return Diverse with these fields and the given components."""
        return Diverse(
            steps=self.steps,
            step_size=self.step_size,
            momentum=momentum,
            views=views,
            variance=variance,
            loss=self.loss,
        )


def over_dual_norm(region: Normed, grad: Tensor) -> Tensor:
    """Divide each example's gradient by its dual norm; a zero gradient stays zero."""
    grad = normalize(grad, torch.inf)  # sums of 1e-40 would lose precision
    return safe_divide(grad, region.dual_norm(grad))


def _or_anywhere(running: Tensor, at: Rng) -> Tensor:
    """Return the direction to go, at random for examples that had no gradient yet."""
    known = norm(running, torch.inf) > 0
    if bool(known.all()):
        return running
    anywhere = at.fold("anywhere").sign(tuple(running.shape[1:])).to(running.dtype)
    return select(known, running, anywhere)
