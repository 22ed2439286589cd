"""VMI-FGSM: MI-FGSM whose gradients are corrected by those of random neighbors."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.transfer.diverse import (
    ClassicMomentum,
    Diverse,
    TransferPreset,
    VarianceTuning,
)
from holdfast.components import register
from holdfast.units import Count, Positive


@register("attack")
@dataclass(frozen=True, kw_only=True)
class VMIFGSM(TransferPreset):
    """MI-FGSM with variance tuning (X. Wang and He, 2021, arXiv:2103.15571, algorithm 1)."""

    neighbors: Count = 20  # points whose gradients correct the next one
    reach: Positive = 1.5  # how far they are drawn, as a multiple of the radius

    def chosen(self) -> Diverse:
        near = VarianceTuning(count=self.neighbors, reach=self.reach)
        return self.diverse(ClassicMomentum(decay=self.decay), variance=near)
