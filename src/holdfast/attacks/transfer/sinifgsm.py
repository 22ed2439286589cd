"""SI-NI-FGSM: gradients of scaled copies, taken ahead of where the search is."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.core.preset import Preset
from holdfast.attacks.transfer.diverse import Diverse, Nesterov
from holdfast.attacks.transfer.views import Scales
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.threat import Normed, Trait
from holdfast.units import OfRadius


@register("attack")
@dataclass(frozen=True, kw_only=True)
class SINIFGSM(Preset):
    """NI-FGSM on scaled copies (Lin et al., 2020, arXiv:1908.06281, algorithm 1)."""

    needs = (Trait.VECTOR, Normed)

    steps: int = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    decay: float = 1.0  # of the running sum, per step
    copies: int = 5  # the input divided by 1, 2, 4, ...
    loss: Loss | None = None  # None: the objective's own

    def chosen(self) -> Diverse:
        return Diverse(
            steps=self.steps,
            step_size=self.step_size,
            momentum=Nesterov(decay=self.decay),
            views=(Scales(copies=self.copies),),
            loss=self.loss,
        )
