"""What the tests of the evaluation, and the programs that they kill, have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.attacks import APGD, PGD, EachTarget, Square
from holdfast.data import Examples, from_tensors
from holdfast.evaluation import Member, Suite
from holdfast.losses import DLR, CrossEntropy, Margin

SHAPE = (1, 5, 5)
TINY = Suite(
    name="tiny",
    members=(
        Member(name="pgd", attack=PGD(steps=2, step_size=0.5, loss=Margin())),
        Member(name="apgd-ce", attack=APGD(steps=8, loss=CrossEntropy())),
        Member(name="apgd-t", attack=EachTarget(attack=APGD(steps=8, loss=DLR()), top=2)),
        Member(name="square", attack=Square(queries=40)),
    ),
)


def network(classes: int = 5, seed: int = 0) -> nn.Module:
    """A random network that is not linear."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Flatten(), nn.Linear(25, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(),
            nn.Linear(32, classes),
        )  # fmt: skip
        for layer in net:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=2 / layer.in_features**0.5)
    return net.eval()


def examples(n: int = 90, seed: int = 0) -> Examples:
    """Random inputs with ids that are no positions; most labels are what the network says."""
    draws = torch.Generator().manual_seed(seed)
    x = torch.rand(n, *SHAPE, generator=draws)
    with torch.no_grad():
        y = network()(x).argmax(1)
    y[::13] = (y[::13] + 1) % 5
    return from_tensors(x, y, ids=torch.arange(n) * 3 + 7, name="noise", num_classes=5)


def essence(folder: Path) -> dict[str, Any]:
    """A claim without what differs between two equal runs: seconds, timestamps, the command."""

    def without_seconds(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: without_seconds(v) for k, v in value.items() if k != "seconds"}
        return [without_seconds(item) for item in value] if isinstance(value, list) else value

    document = json.loads((folder / "claim.json").read_text())
    for key in ("created", "command", "digest", "forecast_seconds"):
        del document[key]
    return without_seconds(document)


def segments(folder: Path) -> dict[str, Any]:
    """The ledger of a claim, segment by segment, seconds and what a kill left behind aside."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "ledger").glob("[0-9a-f]*")):
        if path.suffix == ".json":
            document = json.loads(path.read_text())
            del document["digest"], document["notes"]["seconds"]
            found[path.name] = document
        else:
            found[path.name] = path.read_bytes()
    return found
