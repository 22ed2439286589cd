"""sigma-zero: descent of a smooth L0 norm, with small changes set to zero."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, value_and_grad
from holdfast.attacks.core.moments import Moments
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.steps import cosine
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import as_mask, expand_like, normalize, select
from holdfast.threat import CountsCoordinates, Trait
from holdfast.units import Count, NotNegative, OfRange, Positive

LAST = 0.1  # share of the step size that is left at the end


@register("attack", name="sigma_zero")
@dataclass(frozen=True, kw_only=True)
class SigmaZero(Attack):
    """Climb the margin until it is crossed, then descend a smooth L0 norm (Cina et al., 2024).

    arXiv:2402.01879, algorithm 1. Changes below a threshold are set to zero after every step; each
    example's threshold rises while it is adversarial and falls while it is not.
    """

    needs = (Trait.VECTOR, CountsCoordinates)
    nearest = True
    spends = Passes("steps + 1", "steps")

    steps: Count = 1000
    learning_rate: OfRange = 1.0  # of Adam at the beginning, in widths of the range
    sigma: Positive = 1e-3  # squared change, in widths of the range, that counts one half
    threshold: NotNegative = 0.3  # the smallest change that stays, in widths of the range, at first
    adapt: NotNegative = 0.01  # how far the threshold moves, in step sizes

    def iterate(
        self, objective: Objective, region: CountsCoordinates, rng: Rng, start: Tensor | None
    ) -> Walk:
        objective = objective.using(Margin())
        x, width = region.center(), region.range[1] - region.range[0]
        z, moments = x if start is None else start, Moments(x)
        threshold = torch.full_like(region.norms(x), self.threshold)
        for k in range(self.steps):
            at = rng.at(k, of=self.steps)
            here, grad = value_and_grad(objective, region, z, at)
            yield here
            reached = here.harm > here.edge
            push = select(reached, torch.zeros_like(grad), normalize(grad, torch.inf))
            down = self._count_grad(region, (z - x) / width) - push
            mean, root = moments.see(normalize(down, torch.inf))
            pace = self.learning_rate * cosine(1.0, LAST, at)
            z = region.project(z - width * pace * mean / root)
            move = torch.where(reached, self.adapt * pace, -self.adapt * pace)
            threshold = (threshold + move).clamp(0, 1)
            size = region.sum_per_place((z - x).square())  # of a place: a coordinate, or a pixel
            small = as_mask(torch.lt, size, (width * expand_like(threshold, z)).square())
            z = torch.lerp(z, x, small)
        yield Unscored(z)

    def _count_grad(self, region: CountsCoordinates, change: Tensor) -> Tensor:
        """Return the gradient of the mean over places of size^2 / (size^2 + sigma)."""
        _, rows, columns = region.grid
        share = 2 * self.sigma / (rows * columns)
        return share * change / (region.sum_per_place(change.square()) + self.sigma).square()
