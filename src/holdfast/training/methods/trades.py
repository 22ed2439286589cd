"""TRADES: accuracy on clean inputs, and predictions that do not change within the set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks import PGD, Attack, Gaussian
from holdfast.components import register
from holdfast.data import Batch
from holdfast.losses import KL
from holdfast.threat import ThreatModel
from holdfast.training.methods.base import Learner, Method, smoothed
from holdfast.units import Positive


@register("method", name="trades")
@dataclass(frozen=True, kw_only=True)
class TRADES(Method):
    """Cross-entropy plus beta x divergence (Zhang et al., 2019, arXiv:1901.08573, eq. 5).

    The attacker raises the divergence from the clean prediction; the learner lowers both terms and
    differentiates both predictions. Clean and perturbed inputs share one forward pass and its
    batch statistics. K steps cost K + 1 forward and K input-only backward passes, then 2 and 2.
    """

    beta: Positive = 6.0  # weight of the divergence
    attack: Attack = PGD(steps=10, step_size=0.25, start=Gaussian(std=0.001), loss=KL())

    def loss(
        self,
        model: Learner,
        batch: Batch,
        found: Tensor,
        threat: ThreatModel,
        smoothing: float = 0.0,
    ) -> Tensor:
        clean, perturbed = model(torch.cat((batch.x, found))).chunk(2)
        divergence = KL().away(perturbed, batch.y, clean)
        return smoothed(clean, batch.y, smoothing) + self.beta * divergence
