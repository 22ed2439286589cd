"""Comparisons of logits: the label's with its best rival's, rounding errors, masked classes.

logits: (B, K); y: (B,) int64.
"""

from __future__ import annotations

import torch
from torch import Tensor

TIE = 8 * 2.0**-23  # of the larger of two logits, 8 float32 ulps: a smaller difference is rounding
MASKED = 1e6  # a class this far below the largest finite logit is never predicted


def of_class(logits: Tensor, y: Tensor) -> Tensor:
    """Return (B,): each row's logit of class `y`."""
    return logits.gather(1, y[:, None]).squeeze(1)


def best_other(logits: Tensor, y: Tensor) -> Tensor:
    """Return (B,): each row's largest logit among the classes that are not `y`."""
    return logits.scatter(1, y[:, None], -torch.inf).amax(1)


def only_others(logits: Tensor, y: Tensor) -> Tensor:
    """Return (B, K) logits to rank the classes that are not `y` by; `y` always comes last."""
    least = torch.finfo(logits.dtype).min
    return logits.detach().nan_to_num(least).scatter(1, y[:, None], -torch.inf)


def masked(logits: Tensor) -> Tensor:
    """Return (B, K) bool: the classes that a network never predicts for any input.

    Heads with unused classes put them at -inf or very far below the others. Such a class is no
    rival, and no scale of the logits may depend on it.
    """
    values = logits.detach()
    top = torch.where(values.isfinite(), values, -torch.inf).amax(1, keepdim=True)
    return (values < top - MASKED) | (values == -torch.inf)


def unmasked(logits: Tensor) -> Tensor:
    """Return the logits (B, K) for a sum over classes: a masked one adds 0, and has no gradient."""
    return logits.masked_fill(masked(logits), 0.0)


def logit_range(logits: Tensor) -> Tensor:
    """Return (B,): each row's largest logit minus its smallest one that is not masked."""
    values = logits.detach()
    return values.amax(1) - values.masked_fill(masked(values), torch.inf).amin(1)


def tolerance(one: Tensor, other: Tensor) -> Tensor:
    """Return how large the difference of two logits must be to count, element by element."""
    return TIE * torch.maximum(magnitude(one), magnitude(other))


def disagreement(found: Tensor, expected: Tensor) -> float:
    """Return how far logits (N, K) are apart beyond a tie, as a share of the widest row's range.

    Infinite where one of them is no number, or masked at -inf, and the other is not.
    """
    same = (found == expected) | (found.isnan() & expected.isnan())
    beyond = (found - expected).abs() - tolerance(found, expected)
    gap = torch.where(same, 0.0, beyond.clamp_min(0)).nan_to_num(torch.inf).max()
    widest = logit_range(expected).nan_to_num(0.0, 0.0, 0.0).max()
    return float(gap / widest.clamp_min(torch.finfo(expected.dtype).tiny))


def magnitude(values: Tensor) -> Tensor:
    """Return absolute values, of infinite ones 0."""
    size = values.detach().abs()
    return torch.where(size == torch.inf, 0.0, size)
