"""Metrics: what is measured per example, how it adds up, and how sure the sum is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from holdfast.claims.intervals import Accuracy, Interval
from holdfast.errors import InputError
from holdfast.registry import register


class Metric(ABC):
    """A figure of merit over examples."""

    kind: ClassVar[str] = "metric"
    direction: ClassVar[int]  # +1: more is better; -1: less is better

    @abstractmethod
    def per_example(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the figure of each example: outputs (B, ...), y (B, ...) -> (B,)."""

    @abstractmethod
    def aggregate(self, values: Tensor) -> float:
        """Reduce the figures (N,) of all examples to one number; InputError if N is 0."""

    @abstractmethod
    def interval(self, values: Tensor) -> Interval:
        """Return the two-sided 95 % interval of the aggregate of (N,) values."""


@register("metric", "accuracy")
@dataclass(frozen=True, kw_only=True)
class ClassificationAccuracy(Metric):
    """The fraction of examples whose right logit is the largest; Wilson interval."""

    direction: ClassVar[int] = 1

    def per_example(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return True where the first largest logit is the label: (B, K), (B,) -> (B,) bool."""
        return outputs.argmax(dim=1) == y

    def aggregate(self, values: Tensor) -> float:
        """Return the fraction of True values."""
        return self._count(values).value

    def interval(self, values: Tensor) -> Interval:
        """Return the Wilson interval of that fraction."""
        return self._count(values).interval

    def _count(self, values: Tensor) -> Accuracy:
        if values.numel() == 0:
            raise InputError("accuracy needs at least one example, got none")
        return Accuracy(int(values.sum()), values.numel())
