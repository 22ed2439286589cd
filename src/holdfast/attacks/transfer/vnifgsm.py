"""VNI-FGSM: NI-FGSM whose gradients are corrected by those of random neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.core.preset import Preset
from holdfast.attacks.transfer.diverse import Diverse, Neighbours, Nesterov
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.threat import Normed, Trait
from holdfast.units import OfRadius


@register("attack")
@dataclass(frozen=True, kw_only=True)
class VNIFGSM(Preset):
    """NI-FGSM with variance tuning (X. Wang and He, 2021, arXiv:2103.15571, algorithm 1)."""

    needs = (Trait.VECTOR, Normed)

    steps: int = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    decay: float = 1.0  # of the running sum, per step
    neighbours: int = 20  # points whose gradients correct the next one
    reach: float = 1.5  # how far they are drawn, as a multiple of the radius
    loss: Loss | None = None  # None: the objective's own

    def chosen(self) -> Diverse:
        return Diverse(
            steps=self.steps,
            step_size=self.step_size,
            momentum=Nesterov(decay=self.decay),
            variance=Neighbours(count=self.neighbours, reach=self.reach),
            loss=self.loss,
        )
