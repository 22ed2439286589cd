"""Six networks of different kinds to attack, all on MNIST: two published, four made here.

Those made here are trained in seconds and kept in the folder --work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from networks import first_images, load_target

from holdfast.data import load

KINDS = {
    "standard": "dense network of two hidden layers, standard training",
    "adversarial": "mnist_cnn_a_adv (published), PGD-trained at Linf 0.3",
    "certified": "mnist_wongkolter_eps0.1 (published), certified training at Linf 0.1",
    "trades": "small CNN, TRADES (beta 6, 3 steps) at Linf 0.2 for some seconds",
    "kwta": "small CNN whose activations keep the largest fifth alone: shattered gradients",
    "saturated": "small CNN, standard training, logits times 300: cross-entropy without gradient",
}
PUBLISHED = {
    "adversarial": "mnist_cnn_a_adv",
    "certified": "mnist_wongkolter_eps0.1",
}
STEPS = {"standard": 600, "trades": 300, "kwta": 300, "saturated": 300}


class KWinners(nn.Module):
    """Keep the largest `share` of each example's activations, set the others to zero.

    k-winners-take-all (Xiao et al., 2020, arXiv:1905.10510): not continuous, so gradients mislead.
    """

    def __init__(self, share: float = 0.2) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        least = flat.topk(max(int(self.share * flat.shape[1]), 1), dim=1).values[:, -1:]
        return torch.where(flat >= least, flat, 0.0).reshape(x.shape)


class Scaled(nn.Module):
    """Multiply the logits: at float32 the softmax of what is left is exactly one."""

    def __init__(self, net: nn.Module, by: float) -> None:
        super().__init__()
        self.net, self.by = net, by

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return self.by * logits


def cnn(activation: Callable[[], nn.Module]) -> nn.Module:
    """Return a CNN that is quick to attack."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        activation(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        activation(),
        nn.Flatten(),
        nn.Linear(32 * 49, 100),
        activation(),
        nn.Linear(100, 10),
    )


def dense() -> nn.Module:
    """Return a network of two hidden layers."""
    hidden = [nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, 10))


def subject(kind: str, work: Path, targets: Path, *, hurry: bool = False) -> nn.Module:
    """Return the network of this kind in eval mode; what is made here is made once."""
    if kind in PUBLISHED:
        return load_target(targets, PUBLISHED[kind])[0]
    torch.manual_seed(0)
    net = dense() if kind == "standard" else cnn(KWinners if kind == "kwta" else nn.ReLU)
    file = work / "networks" / f"{kind}{'-hurry' if hurry else ''}.pt"
    if not file.is_file():
        train(net, 10 if hurry else STEPS[kind], trades=kind == "trades")
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        torch.save(net.state_dict(), part)
        os.replace(part, file)  # two processes may make it at once, and make the same
    net.load_state_dict(torch.load(file, weights_only=True))
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    return (Scaled(net, 300.0) if kind == "saturated" else net).eval()


def images(n: int, after: int = 0) -> tuple[Tensor, Tensor]:
    """Return n test images of MNIST, of the first, which are harder than its average, and labels.

    after: how many to leave out at the beginning.
    """
    batch = first_images("mnist", after + n).batch(torch.arange(after, after + n))
    return batch.x, batch.y


def train(net: nn.Module, steps: int, *, trades: bool) -> None:
    """Train on MNIST with batches of 64."""
    part = load("mnist").train
    draws = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for k in range(steps):
        batch = part.batch(torch.randint(len(part), (64,), generator=draws))
        loss = F.cross_entropy(net(batch.x), batch.y)
        if trades:
            eps = 0.2 * min(1.0, 2 * k / steps)  # it grows over the first half
            x_adv = away(net, batch.x, eps, draws)
            clean = F.log_softmax(net(batch.x), 1)
            changed = F.log_softmax(net(x_adv), 1)
            loss = loss + 6 * F.kl_div(changed, clean, reduction="batchmean", log_target=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def away(net: nn.Module, x: Tensor, eps: float, draws: torch.Generator) -> Tensor:
    """Return images within eps on which the prediction differs (three steps of PGD on the KL)."""
    with torch.no_grad():
        clean = F.log_softmax(net(x), 1)
    x_adv = (x + 0.001 * torch.randn(x.shape, generator=draws)).clamp(0, 1)
    for _ in range(3):
        x_adv.requires_grad_(True)
        loss = F.kl_div(F.log_softmax(net(x_adv), 1), clean, reduction="sum", log_target=True)
        (grad,) = torch.autograd.grad(loss, x_adv)
        moved = x_adv.detach() + eps / 2 * grad.sign()
        x_adv = torch.minimum(torch.maximum(moved, x - eps), x + eps).clamp(0, 1)
    return x_adv.detach()


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Return which images are classified correctly, and how many."""
    with torch.no_grad():
        right = net(x).argmax(1) == y
    return {"right": right, "clean": float(right.double().mean())}
