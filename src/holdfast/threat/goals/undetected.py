"""Any wrong class that the model does not reject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from holdfast.components import register
from holdfast.logits import best_other, of_class
from holdfast.losses import Loss
from holdfast.threat.goals.base import DEFAULT_LOSS, Aim, Goal


@register("goal")
@dataclass(frozen=True, kw_only=True)
class Undetected(Goal):
    """Any wrong class that the model does not reject; for a model that may (`models.Rejecting`).

    The last logit is a score to reject by, where it is the largest. The attacker must exceed the
    label's logit and that one: the larger of the two stands for the label, so every loss and every
    attack serves this goal (Carlini and Wagner, 2017, arXiv:1705.07263, sec. 3).
    """

    rejects: ClassVar[bool] = True

    def compared(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        seen = self.classes(logits, y)
        return best_other(seen, y), of_class(seen, y)

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        seen = self._merged(loss, logits, aim.y)
        if aim.steer is None:
            return loss.away(seen, aim.y, aim.reference)
        return loss.towards(seen, aim.y, aim.steer, aim.reference)

    def classes(self, logits: Tensor, y: Tensor) -> Tensor:
        return self._merged(DEFAULT_LOSS, logits, y)

    def sentence(self) -> str:
        return "wrong and not rejected"

    @staticmethod
    def _merged(loss: Loss, logits: Tensor, y: Tensor) -> Tensor:
        """Return (B, K): in the label's place the merged logit of label and rejection."""
        classes, reject = logits[:, :-1], logits[:, -1]
        merged = loss.merge(of_class(classes, y), reject, classes)
        return classes.scatter(1, y[:, None], merged[:, None])
