"""Clean and robust accuracy on the held-out split, which choose the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from holdfast.attacks import PGD, Attack, first
from holdfast.data import Batch, Examples
from holdfast.distributed import Group
from holdfast.models import frozen
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import ThreatModel, Untargeted
from holdfast.training.methods.base import white_box
from holdfast.units import BatchSize, Seed

Validate = Callable[[nn.Module], dict[str, float]]
"""Called with the model after every epoch; returns {"clean": .., "robust": ..}, fractions of 1."""


@dataclass(frozen=True, kw_only=True)
class Validator:
    """Accuracy on every example of a split, clean and under a short PGD on the margin.

    The same starts are drawn in every epoch, so that epochs compare. An example counts as robust if
    it is right, was never broken or tied, and the attack had a gradient to follow. Whatever
    knowledge the threat model grants, this attacker sees everything, as in training. This is an
    optimistic number for choosing a checkpoint; reported numbers come from `evaluate`.
    """

    examples: Examples
    threat: ThreatModel
    seed: Seed = 0
    batch_size: BatchSize = 128
    attack: Attack = PGD(steps=10, step_size=0.25)
    group: Group = Group()

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Return {"clean": .., "robust": ..} as fractions of the split; the model stays as is."""
        device = next(model.parameters()).device
        right = torch.zeros(2, dtype=torch.float64, device=device)
        mine = self.group.share(torch.arange(len(self.examples)))
        with frozen(model):
            for positions in mine.split(self.batch_size):
                right += self._right(model, self.examples.batch(positions).to(device))
        clean, robust = (self.group.total(right) / len(self.examples)).tolist()
        return {"clean": clean, "robust": robust}

    def _right(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return (2,): how many of a batch are right, and how many of those under attack."""
        x, y = batch.x, batch.y
        threat = white_box(self.threat)
        # Clean accuracy does not depend on the attacker's goal.
        clean = Objective(replace(threat, goal=Untargeted()), model, x, y).verdict(x)
        right = clean.harm < -clean.tie
        attacked = threat.goal.applies(y)
        kept = (right & attacked).nonzero().squeeze(1)
        counts = torch.stack((right.sum(), (right & ~attacked).sum())).double()
        if len(kept) == 0:
            return counts
        objective = Objective(threat, model, x[kept], y[kept])
        region = threat.space.around(x[kept])
        rng = Rng(self.seed, batch.ids[kept]).fold("validate")
        with objective.frozen():
            found = first(self.attack, objective, region, rng)
        counts[1] += (~found.success & ~found.marginal & ~found.failed).sum()
        return counts
