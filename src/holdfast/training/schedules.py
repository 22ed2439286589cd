"""Learning rate schedules: pure functions of progress, so a resume needs no state.

`schedule.at(progress)` returns a fraction of the optimizer's learning rate; progress runs from 0 at
the first step to 1 after the last. The rate itself is written once, in the optimizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from holdfast.arguments import foreign
from holdfast.components import register
from holdfast.errors import ConfigError
from holdfast.units import Inside, Part

_TORCH = {
    "cosineannealinglr": "Cosine()",
    "onecyclelr": "OneCycle()",
    "multisteplr": "Piecewise()",
    "steplr": "Piecewise()",
    "cycliclr": "Cyclic()",
    "constantlr": "Constant()",
}  # PyTorch's schedulers and ours


class Schedule:
    """The interface of every schedule; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "schedule"

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for a scheduler of PyTorch's, or for a function."""
        return foreign(value, _TORCH)

    def at(self, progress: float) -> float:
        """Return the fraction of the peak learning rate at `progress` in [0, 1]."""
        raise NotImplementedError


@register("schedule")
@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same learning rate throughout."""

    def at(self, progress: float) -> float:
        return 1.0


@register("schedule")
@dataclass(frozen=True, kw_only=True)
class Cyclic(Schedule):
    """One triangle, up from 0 and down to 0 (Smith, 2017; Wong et al., 2020, arXiv:2001.03994)."""

    peak: Inside = 0.5  # progress at which the rate is highest; Wong's MNIST recipe has 0.4

    def at(self, progress: float) -> float:
        if progress < self.peak:
            return progress / self.peak
        return (1 - progress) / (1 - self.peak)


@register("schedule", name="onecycle")
@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Cosine up, then cosine down to nearly 0 (Smith and Topin, 2018, arXiv:1708.07120)."""

    peak: Inside = 0.3  # progress at which the rate is highest
    start: float = 0.04  # fraction of the peak rate at the first step
    end: float = 4e-6  # fraction of the peak rate after the last step

    def at(self, progress: float) -> float:
        if progress < self.peak:
            return _cosine(self.start, 1.0, progress / self.peak)
        return _cosine(1.0, self.end, (progress - self.peak) / (1 - self.peak))


@register("schedule")
@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Half a cosine down (Loshchilov and Hutter, 2017, arXiv:1608.03983) after a warm-up."""

    warmup: Part = 0.0  # progress at which the warm-up ends
    end: float = 0.0  # fraction of the peak rate after the last step

    def at(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        return _cosine(1.0, self.end, (progress - self.warmup) / (1 - self.warmup))


@register("schedule")
@dataclass(frozen=True, kw_only=True)
class Piecewise(Schedule):
    """Constant, multiplied by `factor` at each of `drops` (Rice et al., 2020: at 0.5, 0.75)."""

    drops: tuple[Inside, ...] = (0.5, 0.75)  # progress of each drop, ascending
    factor: float = 0.1  # of each drop

    def __post_init__(self) -> None:
        if list(self.drops) != sorted(self.drops):
            raise ConfigError(f"piecewise.drops must ascend, got {self.drops}")

    def at(self, progress: float) -> float:
        return float(self.factor ** sum(progress >= drop for drop in self.drops))


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
