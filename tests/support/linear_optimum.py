"""The point of a ball, cut by the range 0..1, that is farthest along a direction."""

from __future__ import annotations

import torch
from torch import Tensor


def best_linf(x: Tensor, gradient: Tensor, radius: float) -> Tensor:
    """Per coordinate: the end of the allowed interval that the gradient points to."""
    low, high = (x - radius).clamp(0, 1), (x + radius).clamp(0, 1)
    return torch.where(gradient > 0, high, low)


def best_l2(x: Tensor, gradient: Tensor, radius: float) -> Tensor:
    """clip(x + t g) with the t at which the change is as long as the radius, by bisection."""
    least, most = torch.zeros(len(x), 1).double(), torch.full((len(x), 1), 1e6).double()
    for _ in range(100):  # more halvings of 1e6 change no float64
        middle = (least + most) / 2
        inside = ((x + middle * gradient).clamp(0, 1) - x).norm(dim=1, keepdim=True) <= radius
        least, most = torch.where(inside, middle, least), torch.where(inside, most, middle)
    return (x + least * gradient).clamp(0, 1)
