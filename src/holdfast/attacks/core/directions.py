"""Directions for searches: random ones, and orthonormal ones to try one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, prod
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.rng import Rng
from holdfast.tensors import as_image
from holdfast.units import Share


class Basis:
    """The interface of every basis; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "basis"

    def order(self, x: Tensor, rng: Rng) -> Tensor:
        """Return (B, d) int64: the order in which each example tries the d directions."""
        raise NotImplementedError

    def direction(self, x: Tensor, which: Tensor) -> Tensor:
        """Return direction number `which` (B,) of each example, (B, ...), of unit length."""
        raise NotImplementedError


@register("basis")
@dataclass(frozen=True, kw_only=True)
class Pixels(Basis):
    """One coordinate at a time, in random order."""

    def order(self, x: Tensor, rng: Rng) -> Tensor:
        return rng.uniform((prod(x.shape[1:]),)).argsort(1)

    def direction(self, x: Tensor, which: Tensor) -> Tensor:
        zeros = torch.zeros_like(x).flatten(1)
        return zeros.scatter(1, which[:, None], 1.0).reshape(x.shape)


@register("basis")
@dataclass(frozen=True, kw_only=True)
class Cosines(Basis):
    """One two-dimensional cosine wave of one channel at a time, low frequencies first."""

    share: Share = 0.125  # of the frequencies that come first; the next as many follow

    def order(self, x: Tensor, rng: Rng) -> Tensor:
        channels, height, width = as_image(x)
        rows = torch.arange(height, dtype=torch.float32, device=x.device) / height
        columns = torch.arange(width, dtype=torch.float32, device=x.device) / width
        ring = (torch.maximum(rows[:, None], columns) / self.share).floor()
        ring = ring.expand(channels, height, width).flatten()
        return (ring + rng.uniform(tuple(ring.shape))).argsort(1)

    def direction(self, x: Tensor, which: Tensor) -> Tensor:
        channels, height, width = as_image(x)
        plane, row, column = which // (height * width), which // width % height, which % width
        wave = dct_waves(row, height)[:, :, None] * dct_waves(column, width)[:, None]
        here = torch.arange(channels, device=x.device) == plane[:, None]
        return torch.where(here[:, :, None, None], wave[:, None], 0.0).to(x.dtype).reshape(x.shape)


def dct_waves(frequency: Tensor, length: int) -> Tensor:
    """Return (n, length) float64: the DCT-II's cosine at each frequency (n,), of unit length."""
    place = (torch.arange(length, dtype=torch.float64, device=frequency.device) + 0.5) * pi / length
    wave = (frequency[:, None] * place).cos()
    return wave / wave.square().sum(1, keepdim=True).sqrt()


def normal(z: Tensor, at: Rng) -> Tensor:
    """Return a Gaussian direction, (B, ...)."""
    return at.normal(tuple(z.shape[1:])).to(z.dtype)


def signs(z: Tensor, at: Rng) -> Tensor:
    """Return a direction of -1 and +1, (B, ...)."""
    return at.sign(tuple(z.shape[1:])).to(z.dtype)
