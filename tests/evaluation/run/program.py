"""Programs that the tests run in processes of their own.

program.py run OUT             an evaluation, by one of the processes that the environment names
program.py all OUT SEED COUNT  OUT/whole; OUT/killed, killed COUNT times at random moments first;
                               OUT/two, by two processes
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "src")]

from evaluation_setup import TINY, examples, network  # noqa: E402
from holdfast.evaluation import evaluate  # noqa: E402
from holdfast.spaces import Linf  # noqa: E402
from holdfast.threat import ThreatModel  # noqa: E402


def run(out: Path) -> None:
    """Evaluate on several chunks at two radii."""
    threat = ThreatModel(Linf(eps=0.12))
    evaluate(
        network(),
        examples(1100),
        threat=threat,
        suite=TINY,
        out=out,
        batch_size=128,
        eps=[0.06],
        quiet=True,
    )


def child(out: Path, **environment: str) -> int:
    """Run in a child; return its id."""
    number = os.fork()
    if number:
        return number
    os.environ.update(environment)
    run(out)
    leave()
    os._exit(0)


def leave() -> None:
    """Leave the group of processes, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def status(number: int) -> int:
    """Return the wait status of a child."""
    return os.waitpid(number, 0)[1]


def kills(out: Path, seed: int, count: int) -> None:
    """Kill at random moments of an evaluation whose length was measured, then let it end."""
    draws = random.Random(seed)
    began = time.monotonic()
    assert status(child(out / "whole")) == 0
    whole = time.monotonic() - began
    killed = 0
    for _ in range(count):
        number = child(out / "killed")
        time.sleep(draws.uniform(0, whole / count))
        os.kill(number, signal.SIGKILL)
        killed += status(number) == signal.SIGKILL
    assert status(child(out / "killed")) == 0
    print(f"{killed} kills")


def pair(out: Path) -> None:
    """Run in two children that find each other as torchrun has it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        world = {"WORLD_SIZE": "2", "MASTER_PORT": str(free.getsockname()[1])}
    world["MASTER_ADDR"] = "localhost"
    children = [child(out, **world, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in range(2)]
    assert [status(number) for number in children] == [0, 0]


def main(verb: str, out: Path, rest: list[str]) -> None:
    torch.set_num_threads(1)
    if verb == "run":
        run(out)
        leave()
        return
    __import__("torch._dynamo")  # deterministic algorithms import it: not in every child
    kills(out, *map(int, rest))
    pair(out / "two")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
