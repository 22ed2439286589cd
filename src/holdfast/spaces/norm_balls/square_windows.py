"""Random windows for searches without gradients (Square attack; Andriushchenko et al., 2020).

Windows are drawn per example and reach the last row and column; any shape of input is seen as
(channels, height, width), a flat one as one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import torch
from torch import Tensor

from holdfast.rng import Rng
from holdfast.tensors import as_image


@dataclass(frozen=True)
class Windows:
    """One window per example: the same size, each at its own place."""

    top: Tensor  # (B,) int64
    left: Tensor  # (B,) int64
    height: int
    width: int

    def mask(self, height: int, width: int) -> Tensor:
        """Return (B, height, width) bool: inside the window."""
        rows, columns = self._offsets(height, width)
        inside_rows = (rows >= 0) & (rows < self.height)
        inside_columns = (columns >= 0) & (columns < self.width)
        return inside_rows[:, :, None] & inside_columns[:, None, :]

    def flat(self, channels: int, height: int, width: int) -> Tensor:
        """Return (B, channels * h * w): where the window's values lie in a flat example."""
        device = self.top.device
        plane = torch.arange(channels, device=device)[None, :, None, None] * (height * width)
        rows = self.top[:, None] + torch.arange(self.height, device=device)
        columns = self.left[:, None] + torch.arange(self.width, device=device)
        return (plane + (rows * width)[:, None, :, None] + columns[:, None, None, :]).flatten(1)

    def paste(self, patch: Tensor, height: int, width: int) -> Tensor:
        """Return (B, height, width): `patch` (B, h, w) in its window and zero elsewhere."""
        rows, columns = self._offsets(height, width)
        rows, columns = rows.clamp(0, self.height - 1), columns.clamp(0, self.width - 1)
        batch = torch.arange(len(patch), device=patch.device)
        spread_out = patch[batch[:, None, None], rows[:, :, None], columns[:, None, :]]
        return spread_out * self.mask(height, width)

    def _offsets(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        device = self.top.device
        rows = torch.arange(height, device=device) - self.top[:, None]
        columns = torch.arange(width, device=device) - self.left[:, None]
        return rows, columns


def draw(at: Rng, height: int, width: int, fraction: float, least: int = 1) -> Windows:
    """Draw a near-square window over about `fraction` of the image for every example."""
    rows, columns = sides(height, width, fraction, least)
    top = at.fold("top").integers(0, height - rows + 1)
    left = at.fold("left").integers(0, width - columns + 1)
    return Windows(top, left, rows, columns)


def sides(height: int, width: int, fraction: float, least: int = 1) -> tuple[int, int]:
    """Return the sides of a window over `fraction` of the image, square where it fits."""
    area = fraction * height * width
    side = max(round(sqrt(area)), least)
    if side > height:
        return height, min(width, max(round(area / height), least))
    if side > width:
        return min(height, max(round(area / width), least)), width
    return side, side


@lru_cache(maxsize=256)
def bump(rows: int, columns: int) -> Tensor:
    """Return the (rows, columns) update of unit norm of the L2 attack (ibid., eq. 3).

    Two bumps of opposite sign side by side along the longer axis, each highest at its center and
    falling off with the square of the distance to it.
    """
    if rows < columns:
        return bump(columns, rows).T
    upper = rows // 2
    return _unit(torch.cat([_hill(upper, columns), -_hill(rows - upper, columns)]))


def _hill(rows: int, columns: int) -> Tensor:
    """Return nested rectangles around the center, the k-th adding 1 / k^2, with unit norm."""
    hill = torch.zeros(rows, columns, dtype=torch.float32)
    middle_row, middle_column = rows // 2, columns // 2
    for k in range(max(middle_row, middle_column) + 1):
        top, left = max(middle_row - k, 0), max(middle_column - k, 0)
        hill[top : middle_row + k + 1, left : middle_column + k + 1] += 1.0 / (k + 1) ** 2
    return _unit(hill)


def _unit(values: Tensor) -> Tensor:
    return values / values.square().sum().sqrt().clamp_min(1e-12)


def bumps(x: Tensor, at: Rng) -> Tensor:
    """Return a change of x, (B, ...): a grid of five by five bumps of random sign (ibid., 3.4)."""
    channels, height, width = as_image(x)
    rows, columns = max(height // 5, 1), max(width // 5, 1)
    signs = at.sign((channels, -(-height // rows), -(-width // columns))).to(x.dtype)
    grid = torch.einsum("bcij,hw->bcihjw", signs, bump(rows, columns).to(x))
    return grid.flatten(4).flatten(2, 3)[:, :, :height, :width].reshape(x.shape)


def move_mass(
    change: Tensor, radius: Tensor, at: Rng, fraction: float, *, order: int, least: int
) -> Tensor:
    """Move the mass of one window, and the unused part of the radius, into another window.

    change: (B, ...). The mass is the sum of |change|^order (ibid., algorithm 3, where it is 2).
    least: the shortest side of a window.
    """
    shape, (channels, height, width) = change.shape, as_image(change)
    change = change.reshape(-1, channels, height, width)
    here = draw(at.fold("here"), height, width, fraction, least)
    there = draw(at.fold("there"), height, width, fraction, least)
    inside = here.mask(height, width)[:, None]
    either = inside | there.mask(height, width)[:, None]
    used = _mass(change, order).sum((1, 2, 3))
    unused = (radius**order - used).clamp_min(0)[:, None, None, None] / channels
    budget = (unused + _mass(change * either, order)) ** (1 / order)
    update = _update(change * inside, here, order, at)
    fresh = update / _length(update, order) * budget
    return torch.where(either, fresh, change).reshape(shape)


def _update(present: Tensor, window: Windows, order: int, at: Rng) -> Tensor:
    """Return (B, C, H, W): the window's present change, as a unit, plus a signed bump."""
    _, channels, height, width = present.shape
    tile = bump(window.height, window.width).to(present)
    tile = tile / tile.abs().pow(order).sum().clamp_min(1e-12) ** (1 / order)
    turned = at.fold("turn").integers(0, 2)[:, None, None] == 1
    square = window.height == window.width
    tiles = torch.where(turned, tile.T, tile) if square else tile.expand(len(present), -1, -1)
    sign = at.fold("sign").sign((channels, 1, 1)).to(present.dtype)
    pasted = window.paste(tiles, height, width)[:, None]
    return present / _length(present, order) + pasted * sign


def _mass(change: Tensor, order: int) -> Tensor:
    """Return (B, C, 1, 1): the sum of |change|^order of each channel."""
    return change.abs().pow(order).sum((2, 3), keepdim=True)


def _length(change: Tensor, order: int) -> Tensor:
    """Return (B, C, 1, 1): the norm of each channel, never zero."""
    return (_mass(change, order) ** (1 / order)).clamp_min(1e-12)
