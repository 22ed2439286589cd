"""Carlini and Wagner's attack: the squared length and the margin in one objective, weighed anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.attacks.base import Attack, Capability, Point, climb
from holdfast.attacks.limits import at_least, not_negative, positive
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.registry import register
from holdfast.rng import Rng
from holdfast.spaces.ball import norm, spread
from holdfast.threat import Euclidean, Normed, Region, Vector

_EDGE = 1 - 1e-6  # the range's ends are infinitely far in the coordinates of the search
_CHECKS = 10  # how often a round asks whether it still gets anywhere
_GAIN = 1e-4  # share of its value that the objective must have lost since the last time


@register("attack")
@dataclass(frozen=True, kw_only=True)
class CW(Attack):
    """Minimise |change|^2 + c * max(-margin, -confidence), for the smallest c that works.

    Carlini and Wagner, 2017, arXiv:1608.04644, sec. VI (L2). The range is kept by a change of
    variables, Adam takes the steps, each example has a c of its own.
    """

    needs: ClassVar[tuple[Capability, ...]] = (Vector, Normed, Euclidean)
    nearest: ClassVar[bool] = True

    steps: int = 1000  # of each search
    searches: int = 9  # values of c
    step_size: float = 0.01  # Adam's, in the coordinates of the search
    weight: float = 1e-3  # the first c; the margin is taken over its slope at x, a length
    confidence: float = 0.0  # how far beyond the boundary, as such a length

    def __post_init__(self) -> None:
        at_least(self.steps, 1, "steps")
        at_least(self.searches, 1, "searches")
        positive(self.step_size, "step_size")
        positive(self.weight, "weight")
        not_negative(self.confidence, "confidence")

    def iterate(
        self, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
    ) -> Iterator[Point]:
        assert isinstance(region, Normed), "require() has checked this"
        objective = objective.using(Margin())
        x = region.center()
        here, grad = climb(objective, region, x, rng.fold("slope"))
        yield here
        slope = region.dual_norm(grad)
        slope = torch.where(slope > 0, slope, here.loss.abs().clamp_min(1e-30)).nan_to_num(1.0)
        weights = _Weights(torch.full_like(slope, self.weight))
        for i in range(self.searches):
            reached = torch.zeros_like(slope, dtype=torch.bool)
            descent = _Descent(region, x if start is None else start, self.step_size)
            for k in range(self.steps):
                here, grad = climb(objective, region, descent.z, rng.fold("search", i).at(k))
                yield here
                reached = reached | (here.loss > self.confidence * slope)
                reached = reached | ((here.harm > here.tie) & (self.confidence == 0))
                short = (
                    self.confidence - here.loss / slope
                )  # a length; positive before the boundary
                value = descent.squared() + weights.c * short.clamp_min(0)
                if (k + 1) % max(self.steps // _CHECKS, 1) == 0 and descent.all_settled(value):
                    break
                pull = torch.where(short > 0, weights.c, 0.0) / slope
                descent.step(spread(pull, grad) * grad)
            weights.update(reached)

    def cost(self) -> str:
        return "at most searches x steps + 1 forward, searches x steps + 1 backward"

    def passes(self) -> tuple[int, int]:
        return self.searches * self.steps + 1, self.searches * self.steps + 1


class _Weights:
    """Each example's c: doubled in order of magnitude until it works, then halved in between."""

    def __init__(self, c: Tensor) -> None:
        self.c = c
        self.low, self.high = torch.zeros_like(c), torch.full_like(c, torch.inf)

    def update(self, reached: Tensor) -> None:
        """Take the outcome of a search with the present c into account."""
        self.high = torch.where(reached, torch.minimum(self.high, self.c), self.high)
        self.low = torch.where(reached, self.low, torch.maximum(self.low, self.c))
        middle = (self.low + self.high) / 2
        self.c = torch.where(self.high.isinf(), self.c * 10, middle)


class _Descent:
    """Adam on the coordinates w of x' = middle + width / 2 * tanh(w), each example on its own."""

    def __init__(self, region: Normed, z: Tensor, step_size: float) -> None:
        low, high = region.range
        self.x = region.center()
        self.middle, self.half = (low + high) / 2, (high - low) / 2
        self.w = ((z - self.middle) / self.half * _EDGE).atanh()
        self.step_size, self.count = step_size, 0
        self.first, self.second = torch.zeros_like(z), torch.zeros_like(z)
        self.checked = torch.full_like(region.norms(z), torch.inf)
        self.settled = torch.zeros_like(self.checked, dtype=torch.bool)

    @property
    def z(self) -> Tensor:
        """Return the present point."""
        low, high = self.middle - self.half, self.middle + self.half
        return (self.middle + self.half * self.w.tanh()).clamp(low, high)

    def squared(self) -> Tensor:
        """Return (B,): the squared length of the change."""
        return norm(self.z - self.x, 2).square()

    def step(self, pull: Tensor) -> None:
        """Descend |change|^2 less the gradient `pull`; what has settled stays."""
        self.count += 1
        turned = self.w.tanh()
        grad = (2 * (self.z - self.x) - pull) * self.half * (1 - turned.square())
        self.first = 0.9 * self.first + 0.1 * grad
        self.second = 0.999 * self.second + 0.001 * grad.square()
        mean = self.first / (1 - 0.9**self.count)
        root = (self.second / (1 - 0.999**self.count)).sqrt()
        moved = self.w - self.step_size * mean / (root + 1e-8)
        self.w = torch.where(spread(self.settled, moved), self.w, moved)

    def all_settled(self, value: Tensor) -> bool:
        """Settle what has gained next to nothing since the last check; say whether all have.

        What settles stays at the point just scored: a search that goes on for others sees no more.
        """
        self.settled = self.settled | ~(value < (1 - _GAIN) * self.checked)
        self.checked = value
        return bool(self.settled.all())
