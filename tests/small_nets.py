"""Small networks and batches for tests, built without touching the global generator for long."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from holdfast.rng import Rng


class Scale(nn.Module):
    """Multiply logits by a constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, logits: Tensor) -> Tensor:
        """Return the scaled logits."""
        return logits * self.by


class Passes(nn.Module):
    """Count the examples that pass a network, each way."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.forward_passes = 0
        self.backward_passes = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's output."""
        self.forward_passes += len(x)
        if x.requires_grad:
            x.register_hook(self._back)
        return self.net(x)

    def _back(self, grad: Tensor) -> None:
        self.backward_passes += len(grad)


def mlp(shape: tuple[int, ...], classes: int = 4, seed: int = 0, scale: float = 1.0) -> nn.Module:
    """Return a smooth network over inputs of `shape`, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(shape), 24),
            nn.Tanh(),
            nn.Linear(24, classes),
            Scale(scale),
        )
        for layer in (net[1], net[3]):
            nn.init.normal_(layer.weight, std=2 / layer.in_features**0.5)
    return net.eval()


def batch(
    net: nn.Module, shape: tuple[int, ...], n: int = 8, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return x in 0..1 and the labels that the network gives: all of them right."""
    x = Rng(seed, torch.arange(n)).uniform(shape)
    parameter = next(net.parameters(), x)
    with torch.no_grad():
        return x, net(x.to(parameter.dtype)).argmax(1)
