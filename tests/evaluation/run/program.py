"""Programs that the tests run in processes of their own.

program.py run OUT                 an evaluation, or the rest of a killed one
program.py kills OUT SEED COUNT    the same, killed COUNT times at random moments first
"""

from __future__ import annotations

import os
import random
import signal
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


def child(out: Path, seconds: float | None) -> int:
    """Run in a child that is killed after so many seconds; return its wait status."""
    pid = os.fork()
    if pid == 0:
        run(out)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def kills(out: Path, seed: int, count: int) -> None:
    """Kill at random moments of an evaluation whose length was measured, then let it end."""
    draws = random.Random(seed)
    began = time.monotonic()
    assert child(out / "whole", None) == 0
    whole = time.monotonic() - began
    killed = 0
    for _ in range(count):
        killed += child(out / "killed", draws.uniform(0, whole / count)) == signal.SIGKILL
    assert child(out / "killed", None) == 0
    print(f"{killed} kills")


def main(verb: str, out: Path, rest: list[str]) -> None:
    torch.set_num_threads(1)
    if verb == "kills":
        __import__("torch._dynamo")  # deterministic algorithms import it: not in every child
        kills(out, *map(int, rest))
        return
    run(out)
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
