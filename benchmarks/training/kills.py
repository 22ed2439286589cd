"""Kill a training run at random moments, resume it each time, and compare it with one never killed.

    python benchmarks/training/kills.py
Equal means: every weights file, every checkpoint and every metric, times aside, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common

from holdfast.data import FlipCrop, load
from holdfast.models import PreActResNet18
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel
from holdfast.training import SGD, FastAT, TrainPlan, train
from holdfast.training import state as checkpoints

HERE = Path(__file__).resolve().parent
TIMES = ("seconds", "examples_per_second")


def run(out: Path, epochs: int) -> None:
    """Train or resume: batch norm, momentum, EMA, augmentation, label smoothing."""
    plan = TrainPlan(
        epochs=epochs,
        batch_size=64,
        optimizer=SGD(lr=0.1),
        ema=0.99,
        augment=FlipCrop(pad=1, flip=False),
        label_smoothing=0.1,
        checkpoint_minutes=0.2 / 60,
    )
    train(
        PreActResNet18(width=4),
        load("digits"),
        threat=ThreatModel(Linf(eps=0.2)),
        method=FastAT(),
        plan=plan,
        out=out,
        resume=True,
        quiet=True,
    )


def child(out: Path, epochs: int, seconds: float | None) -> bool:
    """Run in a child, killed after `seconds`; return whether the kill came before the end."""
    pid = os.fork()
    if pid == 0:
        run(out, epochs)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    assert status in {0, signal.SIGKILL}, f"the run failed with status {status}"
    return status == signal.SIGKILL


def check_readable(out: Path) -> None:
    """Read every file that a reader would: run, metrics, newest checkpoint, best and last."""
    for path in (out / "run.json", *out.glob("*/model.json"), *out.glob("checkpoints/newest.json")):
        if path.exists():
            json.loads(path.read_text())
    newest = checkpoints.newest(out / "checkpoints") if out.exists() else None
    if newest is not None:
        card = json.loads((newest / "state.json").read_text())
        data = (newest / "tensors.safetensors").read_bytes()
        assert hashlib.sha256(data).hexdigest() == card["sha256"], f"{newest} is broken"


def fingerprint(out: Path) -> dict[str, Any]:
    """Return everything of a run but times."""
    found: dict[str, Any] = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("best", "last")
        for path in sorted((out / folder).glob("*.safetensors"))
    }
    newest = checkpoints.newest(out / "checkpoints")
    assert newest is not None
    final = (newest / "tensors.safetensors").read_bytes()
    found[newest.name] = hashlib.sha256(final).hexdigest()
    for line in (out / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert record["epoch"] not in found, "an epoch twice"
        found[record["epoch"]] = {k: v for k, v in record.items() if k not in TIMES}
    return found


def main() -> None:
    options = common.parser(__doc__, HERE / "kills.json")
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    kills, epochs = (2, 3) if asked.smoke else (asked.kills, 20)
    torch.set_num_threads(1)
    __import__("torch._dynamo")  # optimizers import it: once, before the children are made
    draws, work = random.Random(asked.seed), Path(tempfile.mkdtemp())
    try:
        began = time.monotonic()
        child(work / "whole", epochs, None)
        whole = time.monotonic() - began
        moments: list[float] = []
        while len(moments) < kills:
            seconds = draws.uniform(0, 2 * whole / kills)
            if not child(work / "killed", epochs, seconds):
                break
            moments.append(round(seconds, 3))
            check_readable(work / "killed")
        child(work / "killed", epochs, None)
        equal = fingerprint(work / "whole") == fingerprint(work / "killed")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result = {
        "kills": len(moments),
        "seconds_after_each_start": moments,
        "uninterrupted_seconds": round(whole, 1),
        "equal": equal,
        **common.facts(),
    }
    text = (
        f"{len(moments)} kills of a training run (PreActResNet-18, width 4, digits, {epochs} "
        f"epochs, {whole:.0f} s uninterrupted): the final weights, state and metrics are "
        f"{'equal' if equal else 'NOT EQUAL'} to those of the uninterrupted run, bit for bit; "
        "after each kill every file was readable."
    )
    common.write(asked.out, result, text)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
