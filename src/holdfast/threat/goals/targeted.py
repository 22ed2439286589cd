"""One class and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.logits import best_other, of_class, only_others
from holdfast.losses import Loss
from holdfast.threat.goals.base import Aim, Goal


@register("goal")
@dataclass(frozen=True, kw_only=True)
class Targeted(Goal):
    """The target class and no other will do; examples of that class are left alone."""

    to: int | None = None  # one class for all; None: targets come with the batch

    def compared(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        wanted = self._wanted(targets)
        return of_class(logits, wanted), best_other(logits, wanted)

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        wanted = self._wanted(aim.targets)
        others = only_others(logits, wanted)
        return loss.towards(logits, others.argmax(1), wanted, aim.reference)

    def targets(self, y: Tensor) -> Tensor | None:
        return None if self.to is None else torch.full_like(y, self.to)

    def applies(self, y: Tensor) -> Tensor:
        return torch.ones_like(y, dtype=torch.bool) if self.to is None else y != self.to

    def sentence(self) -> str:
        return "targeted" if self.to is None else f"targeted at class {self.to}"

    def _wanted(self, targets: Tensor | None) -> Tensor:
        if targets is None:
            raise InputError(
                "a targeted goal needs targets: pass targets=... or Targeted(to=class)"
            )
        return targets


def check_target(goal: Goal, labels: Sequence[int] | None) -> None:
    """Raise InputError for a target class that could mean a label or the number of a column.

    labels: those of a classifier that was fitted on others than 0, 1, 2, ...
    """
    if labels is not None and isinstance(goal, Targeted) and goal.to is not None:
        raise InputError(
            f"a target class counts the model's columns, and its classes are {labels}: give "
            "attack(..., targets=labels), or a classifier that was fitted on labels 0, 1, 2, ..."
        )


def check_class(goal: Goal, num_classes: int, what: str) -> None:
    """Raise InputError for a targeted goal without a class, or with one that no column stands for.

    what: names in the message what needs one class for all examples.
    """
    if not isinstance(goal, Targeted):
        return
    if goal.to is None:
        raise InputError(f"{what} needs one target class: Targeted(to=3)")
    if not 0 <= goal.to < num_classes:
        raise InputError(
            f"the target class must be in 0..{num_classes - 1}, got {goal.to}: "
            "use one of the network's own classes"
        )
