"""SI-NI-FGSM: gradients of scaled copies, taken at the look-ahead point."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.transfer.diverse import Diverse, Nesterov, TransferPreset
from holdfast.attacks.transfer.views import ScaleCopies
from holdfast.components import register
from holdfast.units import Count


@register("attack")
@dataclass(frozen=True, kw_only=True)
class SINIFGSM(TransferPreset):
    """NI-FGSM on scaled copies (Lin et al., 2020, arXiv:1908.06281, algorithm 1)."""

    copies: Count = 5  # the input divided by 1, 2, 4, ...

    def chosen(self) -> Diverse:
        return self.diverse(Nesterov(decay=self.decay), ScaleCopies(copies=self.copies))
