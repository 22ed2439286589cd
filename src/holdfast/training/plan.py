"""How a run goes: length, batches, optimizer, schedule, averages, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from holdfast.components import register
from holdfast.data import Augmentation
from holdfast.errors import ConfigError
from holdfast.training.optimizers import SGD, Optimizer
from holdfast.training.schedules import Cyclic, Schedule
from holdfast.units import BatchSize


@register("plan", name="train")
@dataclass(frozen=True, kw_only=True)
class TrainPlan:
    """Everything about a training run that is neither network, data, threat nor method.

    The last, partial batch of an epoch is dropped; every epoch has an order of its own, so no
    example is left out for long. With several processes batch_size is that of all together.
    """

    kind: ClassVar[str] = "plan"

    epochs: int = 30
    batch_size: BatchSize = 128
    optimizer: Optimizer = SGD()
    schedule: Schedule = Cyclic()
    ema: float | None = None  # decay per step of averaged weights, which then are the model
    ramp: float = 0.0  # fraction of the run over which eps grows from 0 to the threat's
    label_smoothing: float = 0.0
    augment: Augmentation | None = None
    clip: float | None = None  # largest Euclidean length of the gradient
    patience: int | None = None  # epochs without a better one after which training stops
    checkpoint_minutes: float | None = 10.0  # between checkpoints inside an epoch; 0: every step

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return what to write instead of fields alone."""
        plain = isinstance(value, dict) and "type" in value
        return None if plain else "write TrainPlan(epochs=30)"

    def __post_init__(self) -> None:
        _at_least(self.epochs, 1, "epochs")
        _at_least(self.batch_size, 1, "batch_size")
        if self.patience is not None:
            _at_least(self.patience, 1, "patience")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ConfigError(f"ema must be between 0 and 1, got {self.ema}: 0.999 is usual")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing must be in [0, 1), got {self.label_smoothing}")
        if not 0 <= self.ramp < 1:
            raise ConfigError(f"ramp must be in [0, 1), got {self.ramp}: 0.3 is usual")
        if self.clip is not None and self.clip <= 0:
            raise ConfigError(f"clip must be above 0 or None, got {self.clip}")
        if self.checkpoint_minutes is not None and self.checkpoint_minutes < 0:
            raise ConfigError(
                f"checkpoint_minutes must be at least 0 or None, got {self.checkpoint_minutes}"
            )


def _at_least(value: int, least: int, name: str) -> None:
    if value < least:
        raise ConfigError(f"{name} must be at least {least}, got {value}")
