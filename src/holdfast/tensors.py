"""Small operations on tensors that PyTorch does not have."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

_WHOLE = {torch.float32: torch.int32, torch.float64: torch.int64}  # numbers of as many bits


def either(where: Tensor, one: float, other: float, like: Tensor) -> Tensor:
    """Return `one` where `where` (B,) holds and `other` elsewhere, in the type of `like`.

    `torch.where` would give two numbers the default type, which a user may have changed.
    """
    pair = torch.tensor([other, one], dtype=like.dtype, device=where.device)
    return pair[where.long()]


def norm(values: Tensor, order: float) -> Tensor:
    """Return (B,): the norm of each example; sums run in float64, which costs next to nothing."""
    flat = values.flatten(1)
    if order == torch.inf:
        return flat.abs().amax(1)
    total: Tensor = torch.linalg.vector_norm(flat, order, dim=1, dtype=torch.float64)
    return total.to(values.dtype)


def safe_divide(values: Tensor, by: Tensor) -> Tensor:
    """Return values (B, ...) over `by` (B,), and as they are where that is not above zero."""
    return values / expand_like(torch.where(by > 0, by, 1.0), values)


def normalize(values: Tensor, order: float) -> Tensor:
    """Return each example's values over their norm; zeros stay zeros."""
    return safe_divide(values, norm(values, order))


def towards(x: Tensor, moved: Tensor, change: Tensor) -> Tensor:
    """Return `moved`, x + change as rounded, with coordinates that went too far rounded back."""
    longer = as_mask(torch.gt, (moved - x).abs(), change.abs())
    return torch.lerp(moved, torch.nextafter(moved, x), longer)


def expand_like(per_example: Tensor, like: Tensor) -> Tensor:
    """View (B,) as (B, 1, ..., 1), ready to multiply a tensor shaped as `like`."""
    return per_example.reshape(-1, *[1] * (like.ndim - 1))


def as_mask(test: Callable[..., Tensor], values: Tensor, bound: Tensor | float) -> Tensor:
    """Return the outcome of a comparison, as torch.gt, as 1 or 0 in the type of `values`.

    On a processor that takes a sixth of the time of a bool; `torch.lerp` with such weights, exact
    for finite numbers, takes a thirtieth of the time of `torch.where`.
    """
    return test(values, bound, out=torch.empty_like(values))


def select(which: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Return `one` for the examples in `which`, (B,) bool, and `other` for the rest.

    It is `torch.where`, which on a processor takes one number at a time: there bits are taken, many
    at a time.
    """
    whole = _WHOLE.get(one.dtype)
    plain = one.device.type == "cpu" and one.dtype is other.dtype and one.shape == other.shape
    if whole is None or not plain or one.requires_grad or other.requires_grad:
        return torch.where(expand_like(which, one), one, other)
    mask, rest = expand_like(-which.to(whole), one), other.view(whole)
    bits = torch.bitwise_xor(one.view(whole), rest).bitwise_and_(mask).bitwise_xor_(rest)
    return bits.view(one.dtype)


def as_float(x: Tensor) -> Tensor:
    """Return x as data in a precision in which eps survives: float32 unless it is float64."""
    return x.detach() if x.dtype == torch.float64 else x.detach().float()


def as_image(x: Tensor) -> tuple[int, int, int]:
    """Return (channels, height, width) of one example of x: (B, ...)."""
    shape = tuple(x.shape[1:])
    if len(shape) < 2:
        return 1, 1, prod(shape)
    return prod(shape[:-2]), shape[-2], shape[-1]
