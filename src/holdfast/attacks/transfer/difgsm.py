"""DI-FGSM: gradients at randomly shrunk and padded copies."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.transfer.diverse import ClassicMomentum, Diverse, TransferPreset
from holdfast.attacks.transfer.views import ResizePad
from holdfast.components import register
from holdfast.units import NotNegative, Share


@register("attack")
@dataclass(frozen=True, kw_only=True)
class DIFGSM(TransferPreset):
    """I-FGSM through random resizing (Xie et al., 2019, arXiv:1803.06978, sec. 3.2 and 3.3)."""

    decay: NotNegative = 1.0  # of the running sum, per step; 0: DI, else M-DI
    probability: Share = 0.5  # of changing the input at a step
    smallest: Share = 0.9  # side of the smallest copy, as a fraction of the input's

    def chosen(self) -> Diverse:
        shrink = ResizePad(probability=self.probability, smallest=self.smallest)
        return self.diverse(ClassicMomentum(decay=self.decay), shrink)
