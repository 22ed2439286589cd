"""Train with one process and with two, and compare the loss curves.

    python benchmarks/training/processes.py
Gloo, one thread each, the same global batches, a network without batch norm. The collectives of a
step are counted: an attack of any length adds none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common

from holdfast.attacks import PGD
from holdfast.data import load
from holdfast.models import SmallCNN
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel
from holdfast.training import SGD, Madry, TrainPlan, train

HERE = Path(__file__).resolve().parent
STEPS = (1, 10)  # of the inner attack


def work(out: Path, epochs: int) -> None:
    """Train twice, with a short and a long inner attack, and count the collectives of each."""
    torch.set_num_threads(1)
    counted = {"calls": 0}
    real = dist.all_reduce

    def count(*arguments: object, **options: object) -> object:
        counted["calls"] += 1
        return real(*arguments, **options)

    dist.all_reduce = count
    calls = {}
    for steps in STEPS:
        counted["calls"] = 0
        result = train(
            SmallCNN(width=8, hidden=32),
            load("digits"),
            threat=ThreatModel(Linf(eps=0.2)),
            method=Madry(attack=PGD(steps=steps, step_size=0.3)),
            plan=TrainPlan(epochs=epochs, batch_size=64, optimizer=SGD(lr=0.05)),
            out=out / str(steps),
            quiet=True,
        )
        calls[steps] = counted["calls"] / len(result.history)  # a run may end early
    if int(os.environ.get("RANK", "0")) == 0:
        (out / "collectives.json").write_text(json.dumps(calls))


def launch(out: Path, processes: int, epochs: int) -> None:
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += [str(Path(__file__).resolve()), "--work", str(out), "--epochs", str(epochs)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def losses(out: Path) -> list[float]:
    text = (out / str(STEPS[-1]) / "metrics.jsonl").read_text()
    return [json.loads(line)["train_loss"] for line in text.splitlines()]


def main() -> None:
    options = common.parser(__doc__, HERE / "processes.json")
    options.add_argument("--work", type=Path, help="be one of the processes (internal)")
    options.add_argument("--epochs", type=int, default=10)
    asked = options.parse_args()
    epochs = 2 if asked.smoke else asked.epochs
    if asked.work:
        work(asked.work, epochs)
        return
    with tempfile.TemporaryDirectory() as folder:
        for processes in (1, 2):
            (Path(folder) / str(processes)).mkdir()
            launch(Path(folder) / str(processes), processes, epochs)
        one, two = (losses(Path(folder) / str(processes)) for processes in (1, 2))
        calls = json.loads((Path(folder) / "2" / "collectives.json").read_text())
    gap = max(abs(a - b) for a, b in zip(one, two, strict=True))
    same = len(set(calls.values())) == 1
    result = {
        "one": one,
        "two": two,
        "largest_difference": gap,
        "collectives_per_epoch_by_attack_steps": calls,
        **common.facts(),
    }
    text = (
        f"Two processes against one (small CNN, digits, {epochs} epochs, PGD-{STEPS[-1]}): the "
        f"training losses differ by at most {gap:.1e} (bound: 1e-4). All-reduces of an epoch with "
        f"PGD-{STEPS[0]}: {calls[str(STEPS[0])]:g}, with PGD-{STEPS[1]}: {calls[str(STEPS[1])]:g}: "
        f"{'none' if same else 'SOME'} belong to the attack."
    )
    common.write(asked.out, result, text)
    sys.exit(0 if gap <= 1e-4 and same else 1)


if __name__ == "__main__":
    main()
