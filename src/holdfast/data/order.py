"""The order of an epoch: a function of (n, seed, epoch), so a resume has nothing to restore."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.rng import Rng
from holdfast.units import Seed, Size

KEYS = 2**62  # sort keys are drawn from as many numbers as fit, so that ties do not occur


@checked
def epoch_order(n: Size, seed: Seed, epoch: int) -> Tensor:
    """Return a random permutation (n,) int64 of 0..n-1, drawn without a generator."""
    keys = Rng(seed, torch.arange(n)).fold("order", epoch).integers(0, KEYS)
    return keys.argsort(stable=True)
