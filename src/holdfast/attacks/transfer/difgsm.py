"""DI-FGSM: gradients at randomly shrunk and padded copies."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.core.preset import Preset
from holdfast.attacks.transfer.diverse import Diverse, Running
from holdfast.attacks.transfer.views import Shrink
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.threat import Normed, Trait
from holdfast.units import OfRadius


@register("attack")
@dataclass(frozen=True, kw_only=True)
class DIFGSM(Preset):
    """I-FGSM through random resizing (Xie et al., 2019, arXiv:1803.06978, sec. 3.2 and 3.3)."""

    needs = (Trait.VECTOR, Normed)

    steps: int = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    decay: float = 1.0  # of the running sum, per step; 0: DI, else M-DI
    probability: float = 0.5  # of changing the input at a step
    smallest: float = 0.9  # side of the smallest copy, as a fraction of the input's
    loss: Loss | None = None  # None: the objective's own

    def chosen(self) -> Diverse:
        return Diverse(
            steps=self.steps,
            step_size=self.step_size,
            momentum=Running(decay=self.decay),
            views=(Shrink(probability=self.probability, smallest=self.smallest),),
            loss=self.loss,
        )
