"""Kill an evaluation at random moments, resume it each time, and compare it with one never killed.

    python benchmarks/evaluation/kills.py
Equal means: the claim and every segment of its ledger, seconds and timestamps aside, bit for bit.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common
import setup

from holdfast.claims import Claim, Ledger

HERE = Path(__file__).resolve().parent


def child(out: Path, n: int, seconds: float | None) -> bool:
    """Evaluate in a child, killed after `seconds`; return whether the kill came before the end."""
    pid = os.fork()
    if pid == 0:
        setup.run(out, n)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert status in {0, signal.SIGKILL}, f"the evaluation failed with status {status}"
    return status == signal.SIGKILL


def check_readable(out: Path) -> int:
    """Read every segment that is there, and the claim if there is one; return the segments."""
    if not out.exists():
        return 0
    ledger = Ledger(out / "ledger")
    keys = ledger.keys()
    for key in keys:
        ledger.read(key)
    if (out / "claim.json").exists():
        Claim.load(out)
    return len(keys)


def main() -> None:
    options = common.parser(__doc__, HERE / "kills.json")
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    kills, n = (2, 300) if asked.smoke else (asked.kills, 1797)
    torch.set_num_threads(1)
    __import__("torch._dynamo")  # deterministic algorithms import it: not in every child
    setup.model()
    draws, work = random.Random(asked.seed), Path(tempfile.mkdtemp())
    try:
        began = time.monotonic()
        child(work / "whole", n, None)
        whole = time.monotonic() - began
        moments: list[float] = []
        segments: list[int] = []
        equal, runs = True, 0
        while len(moments) < kills:  # a run that comes to its end makes room for another
            out, runs = work / f"killed-{runs}", runs + 1
            while len(moments) < kills:
                seconds = draws.uniform(0, 2 * whole / kills)
                if not child(out, n, seconds):
                    break
                moments.append(round(seconds, 3))
                segments.append(check_readable(out))
            child(out, n, None)
            equal &= setup.essence(work / "whole") == setup.essence(out)
        sentence = str(Claim.load(out))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result = {
        "kills": len(moments),
        "runs": runs,
        "seconds_after_each_start": moments,
        "segments_after_each_kill": segments,
        "uninterrupted_seconds": round(whole, 1),
        "equal": equal,
        "claim": sentence,
        **common.facts(),
    }
    text = (
        f"{len(moments)} kills of an evaluation (small CNN, {n:,} digits, two radii, "
        f"{whole:.0f} s uninterrupted): claim and ledger are {'equal' if equal else 'NOT EQUAL'} "
        "to those of the uninterrupted run, bit for bit, seconds and timestamps aside; after each "
        "kill every segment was readable."
    )
    common.write(asked.out, result, text)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
