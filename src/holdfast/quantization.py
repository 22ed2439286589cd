"""The grid of values that a file of so many bits can hold."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 255  # steps of an 8-bit file


def on_grid(x: Tensor, levels: int = LEVELS) -> Tensor:
    """Return x (in 0..1) in gray levels, float64, without the rounding error of float32."""
    scaled = x.double() * levels
    nearest = scaled.round()
    return torch.where((scaled - nearest).abs() < 1e-3, nearest, scaled)


def toward(x_adv: Tensor, x: Tensor, levels: int = LEVELS) -> Tensor:
    """Return x_adv (B, ...) in whole gray levels, float64, each value rounded toward x.

    Where no grid value lies between the two, the one nearest to x is taken.
    """
    grid, clean = on_grid(x_adv, levels), on_grid(x, levels)
    rounded = torch.where(grid > clean, grid.floor(), grid.ceil())
    crossed = (rounded - clean) * (grid - clean) < 0
    rounded = torch.where(crossed | (grid == clean), clean.round(), rounded)
    return rounded.clamp(0, levels)
