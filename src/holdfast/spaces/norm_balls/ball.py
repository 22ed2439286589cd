"""Base class of balls around a point, cut by the valid range, with their audit.

A point z is the changed input itself, so `lift` and `realize` are the identity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor

from holdfast.rng import Rng
from holdfast.tensors import as_mask
from holdfast.threat import Trait
from holdfast.tree import take


class Ball(ABC):
    """All valid inputs within `radius` of x in one norm.

    x: (B, ...) float32 or float64; radius: (B,); range: (low, high) of valid inputs.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.VECTOR})
    free = False  # True if the radius is known to be infinite

    def __init__(self, x: Tensor, radius: Tensor, range: tuple[float, float]) -> None:
        self.x = x
        self.radius = radius
        self.range = range

    @abstractmethod
    def norms(self, delta: Tensor) -> Tensor:
        """Return (B,): the norm of each change."""

    @abstractmethod
    def project(self, z: Tensor) -> Tensor:
        """Return the nearest point of the ball and the range together."""

    @abstractmethod
    def scatter(self, at: Rng) -> Tensor:
        """Return a uniform draw from the whole ball, which may leave the range."""

    def init(self, at: Rng) -> Tensor:
        """Return a uniform draw from the ball, projected onto the range (Madry et al., 2018)."""
        return self.project(self.scatter(at))

    def center(self) -> Tensor:
        """Return the unchanged inputs as a point."""
        return self.x

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        """Return the model's input for z, which is z."""
        return z

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        """Return the concrete input for z, which is z."""
        return z

    def size(self, z: Tensor) -> Tensor:
        """Return (B,): the norm of the change."""
        return self.norms(z - self.x)

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit in float64, (B,) bool: finite, within radius and range, but for rounding."""
        low, high = self.range
        flat = x_adv.flatten(1)
        least, most = flat.amin(1).double(), flat.amax(1).double()
        inside = (least >= low) & (most <= high)  # NaN is in no range
        slack = 1e-6 * self.radius.double() + 2.0**-24 * max(abs(low), abs(high))
        near = self.norms(x_adv.double() - self.x) <= self.radius.double() + slack
        return inside & near

    def take(self, idx: Tensor) -> Self:
        """Return the balls around the examples at positions `idx`."""
        part = type(self)(take(self.x, idx), take(self.radius, idx), self.range)
        part.free = self.free
        return part

    def at(self, radius: Tensor) -> Self:
        """Return the balls of radius (B,) around the same inputs."""
        return type(self)(self.x, radius.to(self.x.dtype), self.range)

    def unbounded(self) -> Self:
        """Return the balls of infinite radius: all valid inputs."""
        region = self.at(torch.full_like(self.radius, torch.inf))
        region.free = True
        return region

    def _room(self, z: Tensor, direction: Tensor) -> Tensor:
        """Return (B, d): how far each coordinate of z can go along the sign of `direction`."""
        low, high = self.range
        flat = z.flatten(1)
        up = as_mask(torch.gt, direction.flatten(1), 0).to(flat.dtype)
        return torch.lerp(flat - low, high - flat, up).clamp_min_(0)

    def _moved(self, z: Tensor, change: Tensor) -> Tensor:
        """Return z moved by `change` (B, d), within the range."""
        return (z + change.reshape(z.shape)).clamp(*self.range)
