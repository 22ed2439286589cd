"""What the attacker wants: from logits to harm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.logits import best_other, of_class, only_others
from holdfast.losses import Loss, Margin


class Aim(NamedTuple):
    """Where a search is to go from the label, each (B,) int64, with what it may compare with."""

    y: Tensor
    targets: Tensor | None = None  # what the goal asks for
    steer: Tensor | None = None  # a class that an untargeted search should try
    reference: Tensor | None = None  # (B, K) logits of the unchanged inputs


class Goal:
    """What counts as harm; subclasses are frozen dataclasses registered as "goal"."""

    kind: ClassVar[str] = "goal"
    rejects: ClassVar[bool] = False  # whether the last logit is a score to reject by, not a class

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return what to write instead of what is often passed for a goal: a class."""
        return "write Targeted(to=3) for class 3" if isinstance(value, int | list | tuple) else None

    def harm(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> Tensor:
        """Return (B,): what the attacker wants, positive where the goal is reached."""
        wanted, rival = self.compared(logits, y, targets)
        return wanted - rival

    def compared(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return (B,) twice: the logit that the attacker raises, and the one to be exceeded."""
        raise NotImplementedError

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        """Return (B,): `loss` in the form that serves this goal."""
        raise NotImplementedError

    def targets(self, y: Tensor) -> Tensor | None:
        """Return the goal's own targets (B,) for the labels y, or None."""
        return None

    def applies(self, y: Tensor) -> Tensor:
        """Return (B,) bool: which examples the attacker cares about."""
        return torch.ones_like(y, dtype=torch.bool)

    def classes(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return (B, K): a logit for each class, of which the label's must be exceeded."""
        return logits

    def sentence(self) -> str:
        """Return the goal in words, for claims and reports."""
        raise NotImplementedError


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


@register("goal")
@dataclass(frozen=True, kw_only=True)
class Undetected(Goal):
    """Any wrong class that the model does not reject; for a model that may (`models.Rejecting`).

    The last logit is what it rejects by, where it is the largest. What must be exceeded is the
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
        """Return (B, K): in the label's place what stands for label and rejection."""
        classes, reject = logits[:, :-1], logits[:, -1]
        merged = loss.merge(of_class(classes, y), reject, classes)
        return classes.scatter(1, y[:, None], merged[:, None])


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


DEFAULT_LOSS: Loss = Margin()  # what an attack climbs when neither it nor its caller says
