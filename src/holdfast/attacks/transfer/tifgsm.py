"""TI-FGSM: gradients smoothed over neighbouring pixels."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.core.preset import Preset
from holdfast.attacks.transfer.diverse import Diverse, Running
from holdfast.attacks.transfer.views import Blur
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.threat import Normed, Trait
from holdfast.units import OfRadius


@register("attack")
@dataclass(frozen=True, kw_only=True)
class TIFGSM(Preset):
    """I-FGSM with a smoothed gradient (Dong et al., 2019, arXiv:1904.02884, sec. 3.3)."""

    needs = (Trait.VECTOR, Normed)

    steps: int = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    decay: float = 1.0  # of the running sum, per step; 0: TI, else TI-MI
    kernel: int = 15  # side in pixels, odd; 5 or 7 for images of 32 x 32
    deviations: float = 3.0  # standard deviations from the kernel's centre to its edge
    loss: Loss | None = None  # None: the objective's own

    def chosen(self) -> Diverse:
        return Diverse(
            steps=self.steps,
            step_size=self.step_size,
            momentum=Running(decay=self.decay),
            views=(Blur(kernel=self.kernel, deviations=self.deviations),),
            loss=self.loss,
        )
