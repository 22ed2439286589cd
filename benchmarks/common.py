"""What the benchmarks share: fair timing, the facts of the machine, result files, tables."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.malloc import hold_memory
from holdfast.runtime import environment

Work = Callable[[], object]


def interleaved(works: Mapping[str, Work], repeats: int, warmup: int = 2) -> dict[str, Timing]:
    """Time each work `repeats` times, taking turns, so that a busy machine is busy for all alike.

    The order turns by one place every round: nobody always runs after the same neighbor. The
    process keeps its memory, as the command line does: how often pages are cleared anew depends on
    what else lies in the heap, and is a fifth of the time of some.
    """
    hold_memory()
    names = list(works)
    timings = {name: Timing() for name in names}
    for _ in range(warmup):
        for name in names:
            works[name]()
    for turn in range(repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            timings[name].add(works[name])
    return timings


class Timing:
    """Wall-clock and processor seconds of repeated runs."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def add(self, work: Work) -> None:
        """Run `work` once more."""
        wall, processor = time.perf_counter(), time.process_time()
        work()
        self.processor.append(time.process_time() - processor)
        self.wall.append(time.perf_counter() - wall)

    @property
    def median(self) -> float:
        """Return the median of the wall-clock seconds."""
        return statistics.median(self.wall)

    def ratio(self, other: Timing) -> float:
        """Return the ratio of the median wall-clock seconds to those of `other`."""
        return self.median / other.median

    def processor_ratio(self, other: Timing) -> float:
        """Return the same of processor seconds, which waiting for a core does not change."""
        return statistics.median(self.processor) / statistics.median(other.processor)

    def paired_ratio(self, other: Timing) -> float:
        """Return the median of the ratios within each round."""
        return statistics.median(a / b for a, b in zip(self.wall, other.wall, strict=True))

    def plain(self, digits: int = 6) -> dict[str, Any]:
        """Return the seconds for the result file."""
        return {
            "median_seconds": round(self.median, digits),
            "fastest_seconds": round(min(self.wall), digits),
            "slowest_seconds": round(max(self.wall), digits),
            "median_processor_seconds": round(statistics.median(self.processor), digits),
            "repeats": len(self.wall),
        }


class Counting(nn.Module):
    """Counts the passes of a network, per example."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.forwards = 0
        self.backwards = 0

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        self.forwards += len(x)
        if logits.requires_grad:
            logits.register_hook(self._seen)
        return logits

    def _seen(self, grad: Tensor) -> None:
        self.backwards += len(grad)


def parser(description: str | None, out: Path) -> argparse.ArgumentParser:
    """Return a parser with --out and --smoke, which every benchmark has."""
    first = (description or "").partition("\n")[0]
    made = argparse.ArgumentParser(description=first)
    made.add_argument("--out", type=Path, default=out, help="result file (.json); .md beside it")
    made.add_argument("--smoke", action="store_true", help="smallest setting: does it run?")
    return made


def facts(packages: Sequence[str] = ()) -> dict[str, Any]:
    """Return machine, versions, threads, load and command, for the result file."""
    return {
        "environment": environment(),
        "packages": {name: version(name) for name in packages},
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "command": "python " + " ".join([_relative(sys.argv[0]), *map(_relative, sys.argv[1:])]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def write(out: Path, result: Mapping[str, Any], text: str, *, show: bool = True) -> None:
    """Write the result file and the table beside it; print the table if `show`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    machine = result["environment"]
    where = (
        f"{machine['cpu']}, {machine['cores']} cores, AMX: {'yes' if machine['amx'] else 'no'}; "
        f"torch {machine['torch']}, Python {machine['python']}; load average at the end "
        f"{result['load_average'][0]}; {result['date']}."
    )
    page = f"{text}\n\n{where}\n\nCommand: `{result['command']}`\n"
    out.with_suffix(".md").write_text(page, encoding="utf-8")
    if show:
        print(page)


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds with three digits that count."""
    return f"{seconds * 1e3:.3g}"


def batch(shape: tuple[int, ...], n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return n random inputs in 0..1 and labels of ten classes."""
    draws = torch.Generator().manual_seed(seed)
    return torch.rand(n, *shape, generator=draws), torch.randint(10, (n,), generator=draws)


def _relative(argument: str) -> str:
    """Return a path below the working folder as relative: results name no folders of ours."""
    path = Path(argument)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and here in path.parents else argument
