"""Programs that the resume and multi-process tests run in processes of their own.

worker.py kills OUT POINT...   OUT/whole, an uninterrupted run; OUT/killed, one child after the
                               other, killed before its POINT-th fsync, and the rest
worker.py pair OUT             OUT/one, by one process; OUT/two, by two children
worker.py part OUT             one of several processes
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable
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


def child(work: Callable[[], None]) -> int:
    """Start a child that does some work and no more; return its id."""
    number = os.fork()
    if number:
        return number
    work()
    os._exit(0)


def status(number: int) -> int:
    """Return the wait status of a child."""
    return os.waitpid(number, 0)[1]


def killed(out: Path, point: int) -> int:
    """Run in a child that is killed before its point-th fsync; return its wait status."""
    real, count = os.fsync, 0

    def counted(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == point:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    def work() -> None:
        os.fsync = counted
        hard(out)

    return status(child(work))


def part(out: Path) -> None:
    """Train as one of the processes that the environment names."""
    plan = TrainPlan(epochs=3, batch_size=16, optimizer=SGD(lr=0.05), checkpoint_minutes=0)
    run(out, scaled_net(1.0 + int(os.environ.get("RANK", "0"))), plan)


def pair(out: Path) -> None:
    """Train alone and in two children that find each other as torchrun has it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])

    def one(rank: int) -> None:
        world = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        os.environ.update(world, MASTER_ADDR="localhost", MASTER_PORT=port)
        part(out / "two")

    children = [child(lambda rank=rank: one(rank)) for rank in range(2)]
    part(out / "one")
    assert [status(number) for number in children] == [0, 0]


def main(verb: str, out: Path, points: list[str]) -> None:
    torch.set_num_threads(1)
    if verb == "part":
        part(out)
        return
    importlib.import_module("torch._dynamo")  # optimizers import it: once, not in every child
    if verb == "pair":
        pair(out)
        return
    whole = child(lambda: hard(out / "whole"))
    for point in points:
        ended = killed(out / "killed", int(point))
        assert ended == signal.SIGKILL, f"ended before fsync {point}"
    hard(out / "killed")
    assert status(whole) == 0


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
