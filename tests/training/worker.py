"""Programs that the resume and multi-process tests run in processes of their own.

worker.py kills OUT POINT...   one child after the other, killed before its POINT-th fsync
worker.py run OUT              an uninterrupted run, or the rest of a killed one
worker.py pair OUT             one of several processes
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "src")]

from holdfast.attacks import PGD  # noqa: E402
from holdfast.data import FlipCrop  # noqa: E402
from holdfast.spaces import Linf  # noqa: E402
from holdfast.threat import ThreatModel  # noqa: E402
from holdfast.training import SGD, Madry, TrainPlan, TrainResult, train  # noqa: E402
from training_setup import random_splits, small_net  # noqa: E402


def run(out: Path, network: nn.Module, plan: TrainPlan) -> TrainResult:
    return train(
        network,
        random_splits(),
        threat=ThreatModel(Linf(eps=0.1)),
        method=Madry(attack=PGD(steps=2, step_size=0.5)),
        plan=plan,
        out=out,
        resume=True,
        quiet=True,
    )


def scaled_net(factor: float) -> nn.Module:
    """A network without batch norm whose start is each process's own."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 3))
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(
                torch.linspace(-0.2, 0.2 + 0.01 * i, parameter.numel()).view_as(parameter)
            )
            parameter.mul_(factor)
    return net


def hard(out: Path) -> None:
    """Everything that an exact resume must restore: EMA, dropout, batch norm, augmentation."""
    plan = TrainPlan(
        epochs=3,
        batch_size=16,
        optimizer=SGD(lr=0.05),
        ema=0.9,
        label_smoothing=0.1,
        augment=FlipCrop(pad=1),
        clip=1.0,
        checkpoint_minutes=0,
    )
    run(out, small_net(), plan)


def killed(out: Path, point: int) -> int:
    """Run in a child that is killed before its point-th fsync; return its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    real, count = os.fsync, 0

    def counted(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == point:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = counted
    hard(out)
    os._exit(0)


def main(verb: str, out: Path, points: list[str]) -> None:
    torch.set_num_threads(1)
    if verb == "kills":
        importlib.import_module("torch._dynamo")  # optimizers import it: once, not in every child
        for point in points:
            assert killed(out, int(point)) == signal.SIGKILL, f"ended before fsync {point}"
    if verb in {"kills", "run"}:
        hard(out)
    else:
        plan = TrainPlan(epochs=3, batch_size=16, optimizer=SGD(lr=0.05), checkpoint_minutes=0)
        rank = int(os.environ.get("RANK", "0"))
        run(out, scaled_net(1.0 + rank), plan)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
