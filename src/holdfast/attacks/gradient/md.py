"""The margin decomposition attack: first one term of the margin alone, then the margin."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.starts import Start, Uniform
from holdfast.attacks.core.travel import path_length
from holdfast.components import register
from holdfast.logits import best_other, of_class
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import Count, OfRadius


@dataclass(frozen=True)
class _Label(Loss):
    """The label's logit, to be raised or, with sign -1, lowered."""

    sign: float

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        return self.sign * of_class(logits, y)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return self.sign * of_class(logits, rival)


@dataclass(frozen=True)
class _Other(Loss):
    """The largest other logit, or the target's."""

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        return best_other(logits, y)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return of_class(logits, target)


@register("attack", name="md")
@dataclass(frozen=True, kw_only=True)
class MD(Attack):
    """Margin decomposition (Ma et al., 2020, arXiv:2006.13726, algorithm 1).

    The two logits of the margin can pull in opposite directions and hide its gradient. One run
    lowers the label's logit alone for the first half of its steps, the other raises the best other
    one; then both climb the margin.
    """

    spends = Passes("2 x steps + 2", "2 x steps")

    steps: Count = 50  # of each of the two runs
    step_size: OfRadius = 2.0  # fraction of the radius at the beginning of each half; a cosine to 0
    start: Start = Uniform()
    loss: Loss | None = None  # of the second half; None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        for i, half in enumerate((_Label(-1.0), _Other())):
            own = rng.fold("run", i)
            z = self.start(region, own) if start is None else start
            for k in range(self.steps):
                climbed = objective.using(self._loss(k, half))
                here, grad = value_and_grad(climbed, region, z, own.at(k, of=self.steps))
                yield here
                z = region.project(region.step(here.z, grad, self._fraction(k)))
            yield Unscored(z)

    def travel(self) -> float | None:
        return path_length(self._fraction, self.steps)

    def _loss(self, k: int, half: Loss) -> Loss | None:
        """Return the loss of step k: the label's logit, one margin term, then the margin."""
        if k >= self.steps // 2:
            return self.loss
        return _Label(1.0) if k == 0 else half

    def _fraction(self, k: int) -> float:
        change = self.steps // 2
        done = k / change if k < change else (k - change) / (self.steps - change)
        return self.step_size * 0.5 * (1 + math.cos(math.pi * done))
