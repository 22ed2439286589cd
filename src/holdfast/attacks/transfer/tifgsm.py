"""TI-FGSM: gradients smoothed over neighboring pixels."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.transfer.diverse import ClassicMomentum, Diverse, TransferPreset
from holdfast.attacks.transfer.views import TranslationKernel
from holdfast.components import register
from holdfast.units import Count, NotNegative, Positive


@register("attack")
@dataclass(frozen=True, kw_only=True)
class TIFGSM(TransferPreset):
    """I-FGSM with a smoothed gradient (Dong et al., 2019, arXiv:1904.02884, sec. 3.3)."""

    decay: NotNegative = 1.0  # of the running sum, per step; 0: TI, else TI-MI
    kernel: Count = 15  # side in pixels, odd; 5 or 7 for images of 32 x 32
    deviations: Positive = 3.0  # standard deviations from the kernel's center to its edge

    def chosen(self) -> Diverse:
        blur = TranslationKernel(kernel=self.kernel, deviations=self.deviations)
        return self.diverse(ClassicMomentum(decay=self.decay), blur)
