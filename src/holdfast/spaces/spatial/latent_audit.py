"""Audits of sets whose inputs are images of latent points."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SAME = 1e-4  # of the range: how far two computations of one changed input may be apart


def matches(made: Tensor, x_adv: Tensor, range: tuple[float, float]) -> Tensor:
    """Return (B,) bool: x_adv is in the range and equals `made`, but for rounding."""
    low, high = range
    valid = (x_adv >= low) & (x_adv <= high)
    near = (made - x_adv.double()).abs() <= SAME * (high - low)
    return (valid & near).flatten(1).all(1)


def gauss_newton_step(miss: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Take one damped step of Gauss and Newton's method on each row of z (n, k), in float64.

    miss: returns (n, m), the residuals to bring to zero; row by row.
    """
    here = miss(z)
    tiny = 1e-6 * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    slopes = torch.stack([miss(z + e) - here for e in tiny], dim=2) / 1e-6
    normal = slopes.mT @ slopes
    damping = 1e-9 * (1 + normal.diagonal(dim1=1, dim2=2).amax(1))
    unit = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    move = torch.linalg.solve(normal + damping[:, None, None] * unit, slopes.mT @ here[:, :, None])
    trials = torch.stack([z - move[:, :, 0] * 0.5**k for k in range(6)] + [z])
    gaps = torch.stack([miss(t).square().sum(1) for t in trials])
    return trials[gaps.argmin(0), torch.arange(len(z), device=z.device)]
