"""The basic iterative method, also called I-FGSM: small steps from the unchanged input."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks.core.preset import Preset
from holdfast.attacks.core.starts import Unchanged
from holdfast.attacks.gradient.pgd import PGD
from holdfast.components import register
from holdfast.losses import Loss
from holdfast.units import Count, OfRadius


@register("attack")
@dataclass(frozen=True, kw_only=True)
class BIM(Preset):
    """PGD without a random start (Kurakin et al., 2017, arXiv:1607.02533, sec. 2.2)."""

    steps: Count = 10
    step_size: OfRadius = 0.1  # fraction of the radius; steps x step_size >= 1 reaches every corner
    loss: Loss | None = None  # None: the objective's own

    def chosen(self) -> PGD:
        return PGD(steps=self.steps, step_size=self.step_size, start=Unchanged(), loss=self.loss)
