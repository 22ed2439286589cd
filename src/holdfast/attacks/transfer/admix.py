"""Admix: gradients at copies with a little of other images mixed in, scaled."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.transfer.diverse import ClassicMomentum, Diverse, TransferPreset
from holdfast.attacks.transfer.mix import Images, MixedCopies
from holdfast.attacks.transfer.views import ScaleCopies
from holdfast.components import register
from holdfast.units import Count, Positive


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Admix(TransferPreset):
    """MI-FGSM on mixed and scaled copies (X. Wang et al., 2021, arXiv:2102.00436, algorithm 1)."""

    images: Images  # the source of the images to mix in
    strength: Positive = 0.2  # weight of the mixed-in image
    mixed: Count = 3  # images mixed in per step, one at a time
    copies: Count = 5  # each mixture divided by 1, 2, 4, ...

    def chosen(self) -> Diverse:
        mixing = MixedCopies(images=self.images, strength=self.strength, mixed=self.mixed)
        return self.diverse(
            ClassicMomentum(decay=self.decay), mixing, ScaleCopies(copies=self.copies)
        )
