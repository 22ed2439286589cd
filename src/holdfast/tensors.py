"""Small operations on tensors that PyTorch does not have."""

from __future__ import annotations

import torch
from torch import Tensor


def either(where: Tensor, one: float, other: float, like: Tensor) -> Tensor:
    """Return `one` where `where` (B,) holds and `other` elsewhere, in the type of `like`.

    `torch.where` would give two numbers the default type, which a user may have changed.
    """
    pair = torch.tensor([other, one], dtype=like.dtype, device=where.device)
    return pair[where.long()]
