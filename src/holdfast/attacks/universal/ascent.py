"""A universal change by mini-batch ascent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.universal.fitting import Fitting, Universal, best_of_epochs
from holdfast.components import register
from holdfast.data import Batch
from holdfast.losses import CrossEntropy, Loss
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.units import Count, OfRadius


@register("universal")
@dataclass(frozen=True, kw_only=True)
class Ascent(Universal):
    """Climb the mean of a capped loss over batches (Shafahi et al., 2020, algorithm 2).

    A loss that is capped lets no example count more than another once it is lost.
    """

    epochs: Count = 10
    step_size: OfRadius = 0.1  # fraction of the radius, falling linearly to a tenth of it
    cap: float = 9.0  # of the loss: examples beyond it no longer pull
    loss: Loss = CrossEntropy()

    def search(self, fitting: Fitting) -> Tensor:
        free = fitting.free()

        def advance(delta: Tensor, batch: Batch, epoch: int) -> Tensor:
            own = delta[fitting.group(batch.y)].requires_grad_(True)
            with torch.enable_grad():
                x_adv = (batch.x + own).clamp(*fitting.threat.space.range)
                grad = summed_gradient(fitting, batch, own, x_adv, loss=self.loss, cap=self.cap)
            return free.project(free.step(delta, grad, falling(self.step_size, epoch, self.epochs)))

        return best_of_epochs(fitting, free.center(), self.epochs, advance)


def falling(step_size: float, epoch: int, epochs: int) -> float:
    """Return the step size of an epoch: it falls linearly to a tenth."""
    return step_size * (1 - 0.9 * epoch / max(epochs - 1, 1))


def summed_gradient(
    fitting: Fitting, batch: Batch, own: Tensor, x_adv: Tensor, *, loss: Loss, cap: float
) -> Tensor:
    """Return (groups, ...): the gradient of the summed loss below `cap`, at each group's change.

    own: (B, ...) each example's copy of its change, of which x_adv is made.
    """
    group, objective = fitting.group(batch.y), fitting.objective(batch).using(loss)
    score, grad = objective.value_and_grad(x_adv, own, Rng(fitting.seed, batch.ids))
    pulls = (score.loss.detach() < cap) & fitting.threat.goal.applies(batch.y)
    grad = torch.where(expand_like(pulls, grad), grad, 0.0)
    return grad.new_zeros(fitting.groups, *grad.shape[1:]).index_add_(0, group, grad)
