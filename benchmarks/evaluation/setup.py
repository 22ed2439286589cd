"""The evaluation that these benchmarks run, and what of its claim must not change."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from holdfast.attacks import APGD, PGD, EachTarget, Square
from holdfast.data import Examples, from_tensors, load
from holdfast.evaluation import Member, Suite, evaluate
from holdfast.losses import DLR, CrossEntropy, Margin
from holdfast.models import Model, SmallCNN, build_network, wrap
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel

SUITE = Suite(
    name="kills",
    members=(
        Member(name="pgd-margin", attack=PGD(steps=3, step_size=0.4, loss=Margin())),
        Member(name="apgd-ce", attack=APGD(steps=8, loss=CrossEntropy())),
        Member(name="apgd-t", attack=EachTarget(attack=APGD(steps=8, loss=DLR()), top=3)),
        Member(name="square", attack=Square(queries=40)),
    ),
)


@cache
def data() -> Examples:
    """Return all 1,797 digits: the question is not how robust a model is."""
    splits = load("digits")
    parts = [
        part.batch(torch.arange(len(part)))
        for part in (splits.train, splits.validation, splits.test)
    ]
    x, y = torch.cat([part.x for part in parts]), torch.cat([part.y for part in parts])
    return from_tensors(x, y, name="digits, all parts", num_classes=10)


@cache
def model() -> Model:
    """Return a network that a few hundred noisy steps have made somewhat robust."""
    net = build_network(SmallCNN(width=8, hidden=32), (1, 8, 8), 10)
    examples = data()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    batch = examples.batch(torch.arange(len(examples)))
    for step in range(150):
        rng = Rng(0, batch.ids).fold("step", step)
        chosen = rng.uniform().argsort()[:128]
        x = batch.x[chosen] + rng.take(chosen).uniform((1, 8, 8), -0.3, 0.3)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x.clamp(0, 1)), batch.y[chosen]).backward()
        optimizer.step()
    return wrap(net.eval())


def run(out: Path, n: int) -> None:
    """Evaluate the first examples at two radii in small batches: many segments."""
    examples = data()
    few = examples.take(torch.arange(min(n, len(examples))))
    threat = ThreatModel(Linf(eps=0.1))
    evaluate(
        model(), few, threat=threat, suite=SUITE, out=out, batch_size=32, eps=[0.05], quiet=True
    )


def essence(out: Path) -> dict[str, Any]:
    """Return claim and ledger without seconds, timestamps and the command."""
    document = json.loads((out / "claim.json").read_text())
    for key in ("created", "command", "digest", "forecast_seconds"):
        del document[key]
    found = {"claim": without_seconds(document)}
    for path in sorted((out / "ledger").glob("[0-9a-f]*")):
        if path.suffix == ".json":
            segment = json.loads(path.read_text())
            del segment["digest"]
            found[path.name] = without_seconds(segment)
        else:
            found[path.name] = path.read_bytes()
    return found


def without_seconds(value: Any) -> Any:
    """Return plain data without any entry called seconds."""
    if isinstance(value, dict):
        return {k: without_seconds(v) for k, v in value.items() if k != "seconds"}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value
