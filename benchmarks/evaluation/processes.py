"""Evaluate with one process and with two, and compare the ledgers segment for segment.

    python benchmarks/evaluation/processes.py
Gloo, one thread each. The collectives of the whole evaluation are counted: one before the merge and
one after it, none inside an attack.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common
import setup

HERE = Path(__file__).resolve().parent
COLLECTIVES = ("all_reduce", "all_gather", "all_gather_object", "barrier", "broadcast", "reduce")


def work(out: Path, n: int) -> None:
    """Be one process; the first one writes how many collectives were called."""
    torch.set_num_threads(1)
    calls = dict.fromkeys(COLLECTIVES, 0)

    def counted(name: str) -> Any:
        real = getattr(dist, name)

        def call(*arguments: object, **options: object) -> object:
            calls[name] += 1
            return real(*arguments, **options)

        return call

    for name in COLLECTIVES:
        setattr(dist, name, counted(name))
    rank = int(os.environ.get("RANK", "0"))
    setup.run(out, n)
    if rank == 0:
        (out / "collectives.json").write_text(json.dumps(calls))
    if dist.is_initialized():
        dist.destroy_process_group()


def launch(out: Path, processes: int, n: int) -> None:
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += [str(Path(__file__).resolve()), "--work", str(out), "--points", str(n)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def main() -> None:
    options = common.parser(__doc__, HERE / "processes.json")
    options.add_argument("--work", type=Path, help="be one of the processes (internal)")
    options.add_argument("--points", type=int, default=1797)
    asked = options.parse_args()
    if asked.work:
        work(asked.work, asked.points)
        return
    n = 1100 if asked.smoke else asked.points
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / str(processes) for processes in (1, 2)]
        for processes, out in enumerate(outs, start=1):
            launch(out, processes, n)
        one, two = (setup.essence(out) for out in outs)
        calls = json.loads((outs[1] / "collectives.json").read_text())
    equal, segments = one == two, sum(name.endswith(".json") for name in one)
    result = {"segments": segments, "equal": equal, "collectives": calls, **common.facts()}
    total = sum(calls.values())
    text = (
        f"Two processes against one (small CNN, {n:,} digits, two radii): the {segments} segments "
        f"of the ledger and the claim are {'identical' if equal else 'NOT IDENTICAL'}, seconds "
        f"and timestamps aside. Collectives in the whole evaluation: {total} "
        f"({calls['barrier']} of them barriers around the merge), none inside an attack."
    )
    common.write(asked.out, result, text)
    sys.exit(0 if equal and total == calls["barrier"] == 2 else 1)


if __name__ == "__main__":
    main()
