"""Any wrong class."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.components import register
from holdfast.logits import best_other, of_class
from holdfast.losses import Loss
from holdfast.threat.goals.base import Aim, Goal


@register("goal")
@dataclass(frozen=True, kw_only=True)
class Untargeted(Goal):
    """Any wrong class will do; a class may steer the search, the verdict stays the same."""

    def compared(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        return best_other(logits, y), of_class(logits, y)

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        if aim.steer is None:
            return loss.away(logits, aim.y, aim.reference)
        return loss.towards(logits, aim.y, aim.steer, aim.reference)

    def sentence(self) -> str:
        return "untargeted"
