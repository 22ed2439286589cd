"""Small data and networks on which a whole training run takes a fraction of a second."""

from __future__ import annotations

import torch
from torch import nn

from holdfast.data import Splits, from_tensors


def random_splits(n: int = 64, held_out: int = 16, shape: tuple[int, ...] = (1, 6, 6)) -> Splits:
    """Random inputs of three classes that differ in brightness, so that they can be learned."""
    generator = torch.Generator().manual_seed(0)
    total = n + 2 * held_out
    y = torch.arange(total) % 3
    x = torch.rand((total, *shape), generator=generator) * 0.3
    x += 0.3 * y.view(-1, *[1] * len(shape)).float()
    whole = from_tensors(x, y, name="brightness", num_classes=3)
    cut = torch.arange(total).split([n, held_out, held_out])
    return Splits(*(whole.take(part) for part in cut))


def small_net() -> nn.Module:
    """Batch norm, dropout and biases: whatever makes an exact resume hard."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(64, 3),
        )
