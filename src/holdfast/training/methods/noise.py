"""Training on noise, which is often mistaken for adversarial training."""

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
class NoiseAugmented(Method):
    """Cross-entropy on inputs moved in a random direction by the whole radius, as a warning.

    In Linf that is random sign noise of size eps. The worst direction is not a random one, so the
    network stays as breakable as a standard one; shown to make that visible.
    """

    adversarial: ClassVar[bool] = False

    def perturb(self, model: nn.Module, batch: Batch, threat: ThreatModel, rng: Rng) -> Tensor:
        region = threat.space.around(batch.x)
        z = region.center()
        direction = rng.fold("noise").sign(tuple(z.shape[1:])).to(z.dtype)
        return region.realize(region.project(region.step(z, direction, 1.0)), rng)
