"""GAMA-PGD: the margin, at first with a relaxation term on the clean probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.starts import Start
from holdfast.attacks.core.travel import path_length
from holdfast.components import register
from holdfast.logits import masked
from holdfast.losses import Loss, Margin, ProbabilityMargin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import Count, NotNegative, OfRadius

GUIDED = 0.25  # share of the steps in which the guide fades
FALLS = (0.6, 0.85)  # progress at which the step falls to a tenth
SLOPE = 1e-3  # weight of the margin of the logits, added to the loss
SHARP = 3.0  # standard deviation over the classes to which the clean logits are scaled


@register("start")
@dataclass(frozen=True, kw_only=True)
class Corner(Start):
    """A random corner of the set: random signs, a full radius (Sriramanan et al., 2020)."""

    def __call__(self, region: Region, rng: Rng) -> Tensor:
        center = region.center()
        sign = rng.fold("start").sign(tuple(center.shape[1:])).to(center.dtype)
        return region.project(region.step(center, sign, 1.0))


@dataclass(frozen=True)
class _Guided(Loss):
    """A loss plus the squared distance of the probabilities to the clean ones, on scaled logits.

    A small share of the margin keeps a gradient where the softmax is flat.
    """

    needs_reference: ClassVar[bool] = True

    loss: Loss
    weight: float

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        logits, reference = _rescaled(logits, reference)
        slope = SLOPE * Margin().away(logits, y)
        return self.loss.away(logits, y, reference) + self._moved(logits, reference) + slope

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        logits, reference = _rescaled(logits, reference)
        climbed = self.loss.towards(logits, rival, target, reference)
        slope = SLOPE * Margin().towards(logits, rival, target)
        return climbed + self._moved(logits, reference) + slope

    def _moved(self, logits: Tensor, reference: Tensor) -> Tensor:
        apart = logits.softmax(1) - reference.softmax(1)
        return self.weight * apart.square().sum(1)


def _rescaled(logits: Tensor, reference: Tensor | None) -> tuple[Tensor, Tensor]:
    """Divide both by the spread of the reference: a confident network's softmax is flat."""
    assert reference is not None, "the objective supplies the reference"
    silent = masked(reference)
    count = (~silent).sum(1, keepdim=True)
    exact = reference.double().masked_fill(silent, 0.0)
    mean = exact.sum(1, keepdim=True) / count
    apart = (exact - mean).masked_fill(silent, 0.0)
    wide = (apart.square().sum(1, keepdim=True) / count).sqrt()
    scale = torch.where(wide > 0, wide, 1.0) / SHARP
    return (logits.double() / scale).to(logits.dtype), (reference / scale).to(reference.dtype)


@register("attack", name="gama")
@dataclass(frozen=True, kw_only=True)
class GAMA(Attack):
    """GAMA-PGD (Sriramanan et al., 2020, arXiv:2011.14969, algorithm 1).

    The margin of the probabilities, plus how far all of them are from those of the unchanged input:
    that part fades over the first quarter of the steps and leads past poor maxima.
    """

    spends = Passes("steps + 2", "steps")

    steps: Count = 100
    step_size: OfRadius = 2.0  # fraction of the radius; a tenth and a hundredth of it at the end
    guide: NotNegative = 50.0  # weight of the distance of the probabilities at the first step
    start: Start = Corner()
    loss: Loss | None = ProbabilityMargin()  # None: the objective's own

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        loss = objective.loss if self.loss is None else self.loss
        z = self.start(region, rng) if start is None else start
        for k in range(self.steps):
            at = rng.at(k, of=self.steps)
            weight = self.guide * max(1 - at.progress / GUIDED, 0.0)
            guided = objective.using(_Guided(loss, weight))
            here, grad = value_and_grad(guided, region, z, at)
            yield here
            z = region.project(region.step(here.z, grad, self._fraction(at.progress)))
        yield Unscored(z)

    def travel(self) -> float | None:
        return path_length(lambda k: self._fraction(k / self.steps), self.steps)

    def _fraction(self, progress: float) -> float:
        return self.step_size / 10.0 ** sum(progress >= fall for fall in FALLS)
