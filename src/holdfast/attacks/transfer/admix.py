"""Admix: gradients at copies with a little of other images mixed in, scaled."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.core.preset import Preset
from holdfast.attacks.transfer.diverse import Diverse, Running
from holdfast.attacks.transfer.mix import Images, Mix
from holdfast.attacks.transfer.views import Scales
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.threat import Normed, Trait
from holdfast.units import OfRadius


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Admix(Preset):
    """MI-FGSM on mixed and scaled copies (X. Wang et al., 2021, arXiv:2102.00436, algorithm 1)."""

    needs = (Trait.VECTOR, Normed)

    steps: int = 10
    step_size: OfRadius = 0.1  # fraction of the radius
    decay: float = 1.0  # of the running sum, per step
    images: Images  # what is mixed in
    strength: float = 0.2  # weight of the mixed-in image
    mixed: int = 3  # images mixed in per step, one at a time
    copies: int = 5  # each mixture divided by 1, 2, 4, ...
    loss: Loss | None = None  # None: the objective's own

    def chosen(self) -> Diverse:
        mixing = Mix(images=self.images, strength=self.strength, mixed=self.mixed)
        return Diverse(
            steps=self.steps,
            step_size=self.step_size,
            momentum=Running(decay=self.decay),
            views=(mixing, Scales(copies=self.copies)),
            loss=self.loss,
        )
