"""A universal change by mini-batch ascent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.limits import at_least, positive
from holdfast.attacks.universal import Fitting, Universal
from holdfast.data import Batch
from holdfast.losses import CrossEntropy, Loss
from holdfast.registry import register
from holdfast.rng import Rng
from holdfast.spaces.ball import spread
from holdfast.threat import Normed


@register("universal")
@dataclass(frozen=True, kw_only=True)
class Ascent(Universal):
    """Climb the mean of a capped loss over batches (Shafahi et al., 2020, algorithm 2).

    A loss that is capped lets no example count more than another once it is lost.
    """

    epochs: int = 10
    step_size: float = 0.1  # fraction of the radius, falling linearly to a tenth of it
    cap: float = 9.0  # of the loss: examples beyond it no longer pull
    loss: Loss = CrossEntropy()

    def __post_init__(self) -> None:
        at_least(self.epochs, 1, "epochs")
        positive(self.step_size, "step_size")

    def search(self, fitting: Fitting) -> Tensor:
        free = fitting.free()
        delta, best, most = free.center(), free.center(), -1.0
        for epoch in range(self.epochs):
            fraction = self.step_size * (1 - 0.9 * epoch / max(self.epochs - 1, 1))
            for batch in fitting.batches(epoch):
                grad = self._gradient(fitting, free, delta, batch)
                delta = free.project(free.step(delta, grad, fraction))
            with torch.no_grad():
                rate = fitting.fooled(delta)
            if rate >= most:
                best, most = delta, rate
        return best

    def _gradient(self, fitting: Fitting, free: Normed, delta: Tensor, batch: Batch) -> Tensor:
        """Return (groups, ...): the gradient of the summed capped loss at each change."""
        group = fitting.group(batch.y)
        objective = fitting.objective(batch).using(self.loss)
        own = delta[group].requires_grad_(True)
        with torch.enable_grad():
            x_adv = (batch.x + own).clamp(*fitting.threat.space.range)
            score, grad = objective.climb(x_adv, own, Rng(fitting.seed, batch.ids))
        pulls = (score.loss.detach() < self.cap) & fitting.threat.goal.applies(batch.y)
        grad = torch.where(spread(pulls, grad), grad, 0.0)
        return torch.zeros_like(free.x).index_add_(0, group, grad)
