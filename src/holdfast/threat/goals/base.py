"""The goal of the attacker: from logits to harm."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from holdfast.losses import Loss, Margin


class Aim(NamedTuple):
    """Direction of a search: label, targets, steering class, each (B,) int64, and reference."""

    y: Tensor
    targets: Tensor | None = None  # of the goal
    steer: Tensor | None = None  # a class that an untargeted search should try
    reference: Tensor | None = None  # (B, K) logits of the unchanged inputs


class Goal:
    """The definition of harm; subclasses are frozen dataclasses registered as "goal"."""

    kind: ClassVar[str] = "goal"
    rejects: ClassVar[bool] = False  # whether the last logit is a score to reject by, not a class

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for a common mistake: a class passed for a goal."""
        return "write Targeted(to=3) for class 3" if isinstance(value, int | list | tuple) else None

    def harm(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> Tensor:
        """Return (B,): the harm, positive where the goal is reached."""
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


DEFAULT_LOSS: Loss = Margin()  # of attacks whose caller names no loss
