"""Universal adversarial perturbation: a sum of minimal changes of one input after another."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, worst
from holdfast.attacks.minimum_norm.deepfool import DeepFool
from holdfast.attacks.universal.fitting import Fitting, Universal, best_of_epochs
from holdfast.components import register
from holdfast.data import Batch
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Normed
from holdfast.units import Count, Share


@register("universal", name="uap")
@dataclass(frozen=True, kw_only=True)
class UAP(Universal):
    """Add each input's minimal change to the boundary (Moosavi-Dezfooli et al., 2017).

    arXiv:1610.08401. Algorithm 1: inputs that the present change fools are passed over; for each
    other one the nearest counterexample of the changed input is sought, and the change to it is
    added.
    """

    attack: Attack = DeepFool()
    epochs: Count = 5  # at most
    fooled: Share = 0.8  # rate on the split at which to stop
    together: Count = 1  # inputs whose changes are added at once: more is faster and coarser

    def search(self, fitting: Fitting) -> Tensor:
        free = fitting.free()

        def advance(delta: Tensor, batch: Batch, _: int) -> Tensor:
            for idx in torch.arange(len(batch), device=batch.y.device).split(self.together):
                part = Batch(batch.x[idx], batch.y[idx], batch.ids[idx])
                delta = self._extended(fitting, free, delta, part)
            return delta

        return best_of_epochs(fitting, free.center(), self.epochs, advance, enough=self.fooled)

    def _extended(self, fitting: Fitting, free: Normed, delta: Tensor, batch: Batch) -> Tensor:
        """Return the change extended by those that a batch's inputs still need."""
        moved = fitting.moved(delta, batch)
        objective = Objective(fitting.threat, fitting.model, moved, batch.y)
        region = fitting.threat.space.around(moved)
        found = worst(self.attack, objective, region, Rng(fitting.seed, batch.ids))
        useful = found.reached & fitting.threat.goal.applies(batch.y)
        step = torch.where(expand_like(useful, moved), found.x_adv - moved, 0.0)
        return free.project(delta.index_add(0, fitting.group(batch.y), step))
