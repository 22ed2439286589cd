"""Small networks and batches for tests, built without touching the global generator for long."""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.rng import Rng

DIGITS_NET = Path(__file__).parent / "digits_net.safetensors"  # python tests/support/small_nets.py
TRAINED_ON = 1400  # digits


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


def linear(shape: tuple[int, ...], classes: int, seed: int = 0) -> nn.Module:
    """Return a linear model over inputs of `shape`, in eval mode."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes)).eval()


def tiny(seed: int) -> nn.Module:
    """Return a 2-8-3 network whose kinks lie inside the unit square."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.normal_(net[0].weight, std=3)
    with torch.no_grad():
        net[0].bias.copy_(-(net[0].weight * torch.rand(8, 2)).sum(1))
    nn.init.normal_(net[2].weight)
    return net.eval()


@cache
def digits(n: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Return (net, x, y): the network of digits_net.safetensors and n test digits it has right."""
    x, y = _all_digits()
    net = _digits_net()
    net.load_state_dict(load_file(DIGITS_NET))
    right = (net(x).argmax(1) == y) & (torch.arange(len(y)) >= TRAINED_ON)
    return net.eval(), x[right][:n], y[right][:n]


def train_digits() -> nn.Module:
    """Return a 64-64-10 ReLU net trained on single signed steps; a second.

    Training it anew in the tests would give another network on every kind of processor, since
    the signs of tiny gradients differ, and what other libraries reach was measured on one network.
    """
    x, y = (part[:TRAINED_ON] for part in _all_digits())
    net = _digits_net()
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(150):
        seen = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad(F.cross_entropy(net(seen), y), seen)
        seen = (seen + 0.1 * grad.sign()).clamp(0, 1).detach()
        optimizer.zero_grad()
        F.cross_entropy(net(seen), y).backward()
        optimizer.step()
    return net


def _all_digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    return torch.tensor(bunch.images / 16).float()[:, None], torch.tensor(bunch.target)


def _digits_net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


if __name__ == "__main__":
    torch.set_num_threads(1)
    save_file(train_digits().state_dict(), DIGITS_NET)
