"""Standard training, the baseline that shows the cost of robustness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from holdfast.components import register
from holdfast.data import Batch
from holdfast.rng import Rng
from holdfast.threat import ThreatModel
from holdfast.training.methods.base import Method


@register("method")
@dataclass(frozen=True, kw_only=True)
class Standard(Method):
    """Cross-entropy on the inputs as they are: no robustness is to be expected."""

    adversarial: ClassVar[bool] = False

    def perturb(self, model: nn.Module, batch: Batch, threat: ThreatModel, rng: Rng) -> Tensor:
        return batch.x
