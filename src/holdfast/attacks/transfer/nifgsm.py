"""NI-FGSM: momentum with gradients taken at the look-ahead point."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.transfer.diverse import Diverse, Nesterov, TransferPreset
from holdfast.components import register


@register("attack")
@dataclass(frozen=True, kw_only=True)
class NIFGSM(TransferPreset):
    """I-FGSM with Nesterov's momentum (Lin et al., 2020, arXiv:1908.06281, sec. 3.2.1)."""

    def chosen(self) -> Diverse:
        return self.diverse(Nesterov(decay=self.decay))
