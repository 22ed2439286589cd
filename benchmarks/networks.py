"""Networks and images that the benchmarks attack: the built-in digits, and published targets.

Published targets are read from the folder `targets` of the one that HOLDFAST_SHARED names: beside
the weights it holds `load_target.py`, and `reference.json` with the verdicts of AutoAttack.
"""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.data import Batch, Examples, load
from holdfast.models import build_network

SMALL = {"type": "small_cnn", "width": 8, "hidden": 64}


def targets_folder(given: Path | None = None) -> Path | None:
    """Return the folder of published targets, or None where there is none."""
    shared = os.environ.get("HOLDFAST_SHARED")
    folder = given or (Path(shared) / "targets" if shared else None)
    return folder if folder and (folder / "reference.json").is_file() else None


def load_target(folder: Path, name: str) -> tuple[nn.Module, dict[str, Any]]:
    """Return a published network (inputs 0..1, logits out) and what its authors documented."""
    spec = importlib.util.spec_from_file_location("load_target", folder / "load_target.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder / "load_target.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net, meta = module.load(name)
    return net, meta


def reference(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the reference verdicts by network name."""
    networks: dict[str, dict[str, Any]] = json.loads((folder / "reference.json").read_text())[
        "networks"
    ]
    return networks


def first_images(data: str, n: int) -> Examples:
    """Return the first n test images of a set that HOLDFAST_DATA holds."""
    return load(data).test.take(torch.arange(n))


def trained_on_digits(
    steps: int = 150, eps: float = 0.1, network: Any = SMALL, size: int = 8
) -> tuple[nn.Module, Tensor, Tensor]:
    """Train a small CNN on the digits against one-step attacks (seconds); return it and test data.

    Its robust accuracy lies well between nothing and all, so that a weak attack shows. network:
    another one; size: what the digits of 8 x 8 are enlarged to.
    """
    parts = load("digits")
    train, test = (_enlarged(part, size) for part in (parts.train, parts.test))
    net = build_network(network, tuple(train.x.shape[1:]), 10)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    draws = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(train.y), (128,), generator=draws)
        x, y = train.x[rows], train.y[rows]
        start = (x + eps * (2 * torch.rand(x.shape, generator=draws) - 1)).requires_grad_(True)
        (grad,) = torch.autograd.grad(F.cross_entropy(net(start), y), start)
        moved = start.detach() + 1.25 * eps * grad.sign()
        x = torch.clamp(torch.clamp(moved, x - eps, x + eps), 0, 1)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net.eval(), test.x, test.y


def _enlarged(part: Examples, size: int) -> Batch:
    batch = part.batch(torch.arange(len(part)))
    return replace(batch, x=F.interpolate(batch.x, size=(size, size)))
