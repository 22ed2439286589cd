"""A run and a claim of a few seconds, for tests of what the user sees."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

import holdfast as hf
from holdfast.models import Model

THREAT = hf.ThreatModel(hf.Linf(eps=0.1))
METHOD = hf.Madry(attack=hf.attacks.PGD(steps=2, step_size=0.6))
PLAN = hf.TrainPlan(epochs=3, batch_size=64, optimizer=hf.Adam(lr=5e-3))
NETWORK = {"type": "mlp", "hidden": [32]}


def tiny_run(out: Path, **changes):
    """Train a network with one small hidden layer on digits for three epochs."""
    options = {"threat": THREAT, "method": METHOD, "plan": PLAN, "quiet": True, **changes}
    return hf.train(NETWORK, "digits", out=out, **options)


def tiny_claim(model: nn.Module, out: Path, **changes):
    """Evaluate 24 test digits with the quick suite."""
    options = {"threat": THREAT, "suite": "quick", "n": 24, "quiet": True, **changes}
    return hf.evaluate(model, "digits", out=out, **options)


def some_digits(n: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """The first test digits: x (n, 1, 8, 8) and y (n,)."""
    batch = hf.load_data("digits").test.batch(torch.arange(n))
    return batch.x, batch.y


def own_network() -> nn.Module:
    """A network as a user would write it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))


def probabilities() -> nn.Module:
    """The same with the softmax that does not belong there."""
    return nn.Sequential(own_network(), nn.Softmax(dim=1))


def in_short(value) -> bool:
    """True for a few lines; PyTorch's own networks and plain tensors print as PyTorch does."""
    if isinstance(value, torch.Tensor | nn.Module) and not isinstance(value, Model):
        return True
    texts = str(value), repr(value)
    return all(len(text) < 1500 and text.count("\n") < 8 for text in texts)


def files_below(folder: Path) -> list[str]:
    """Every file and folder below `folder`, as relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def with_source() -> dict[str, str]:
    """The environment in which another process finds this checkout's package; one thread."""
    source = str(Path(hf.__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
