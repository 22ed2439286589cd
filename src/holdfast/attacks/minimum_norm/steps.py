"""Schedules and normalized steps of the minimum-norm attacks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from holdfast.attacks.core.points import Scored
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm, select
from holdfast.threat import Boxed, Normed, Trait


def cosine(start: float, end: float, at: Rng) -> float:
    """Return the value at this step of a cosine schedule from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * at.progress)) / 2


def unit_step(region: Normed, grad: Tensor, at: Rng) -> Tensor:
    """Return the gradient over its Euclidean length, or over its own norm where that is less.

    In Linf that is the largest coordinate: lengths there grow with the number of coordinates. Where
    the gradient is zero, a random direction.
    """
    peak = norm(grad, torch.inf)
    flat = peak == 0
    if bool(flat.any()):
        noise = at.fold("escape").normal(tuple(grad.shape[1:])).to(grad.dtype)
        grad = select(flat, noise, grad)
        peak = norm(grad, torch.inf)
    scaled = grad / expand_like(peak.clamp_min(1e-38), grad)  # squares of 1e-30 underflow
    if isinstance(region, Boxed):
        length = region.norms(scaled)  # the largest coordinate, never more than the length
    elif Trait.EUCLIDEAN in region.traits:
        length = norm(scaled, 2)
    else:
        length = torch.minimum(norm(scaled, 2), region.norms(scaled))
    return scaled / expand_like(length, grad)


def slope(region: Normed, here: Scored, grad: Tensor) -> Tensor:
    """Return (B,): the dual norm of the gradient, never zero.

    The loss over it is a length, independent of the scale of the logits.
    """
    steep = region.dual_norm(grad)
    flat = here.loss.abs().clamp_min(1e-30).nan_to_num(1.0, 1.0, 1.0)
    return torch.where(steep > 0, steep, flat)
