"""The plan of a run: length, batches, optimizer, schedule, averages, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from holdfast.components import register
from holdfast.data import Augmentation
from holdfast.training.optimizers import SGD, Optimizer
from holdfast.training.schedules import Cyclic, Schedule
from holdfast.units import BatchSize, Count, Inside, NotNegative, Part, Positive


@register("plan", name="train")
@dataclass(frozen=True, kw_only=True)
class TrainPlan:
    """Everything about a training run that is neither network, data, threat nor method.

    The last, partial batch of an epoch is dropped; every epoch has an order of its own, so no
    example is left out for long. With several processes batch_size is that of all together.
    """

    kind: ClassVar[str] = "plan"

    epochs: Count = 30
    batch_size: BatchSize = 128
    optimizer: Optimizer = SGD()
    schedule: Schedule = Cyclic()
    ema: Inside | None = None  # decay per step of averaged weights, which then are the model
    ramp: Part = 0.0  # fraction of the run over which eps grows from 0 to the threat's
    label_smoothing: Part = 0.0
    augment: Augmentation | None = None
    clip: Positive | None = None  # largest Euclidean length of the gradient
    patience: Count | None = None  # epochs without a better one after which training stops
    checkpoint_minutes: NotNegative | None = 10.0  # between those inside an epoch; 0: every step

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for fields alone."""
        plain = isinstance(value, dict) and "type" in value
        return None if plain else "write TrainPlan(epochs=30)"
