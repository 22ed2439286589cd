"""How long do evaluation and training take, by network, number of points and suite?

    python benchmarks/evaluation/duration.py
Needs no data but the built-in digits; takes minutes on two cores. What a suite may spend on a
point is stated in passes, which are the same on every machine: passes a point times your own time a
pass. Seconds are those of this machine. "If nothing breaks" is what an evaluation forecasts before
it starts, the most that it takes; "real" is a run on a network that was trained against attacks and
keeps some of its points. The large network has random weights and images: what a pass costs does
not depend on them, so its seconds are forecasts alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import common
from networks import trained_on_digits

import holdfast as hf
from holdfast.evaluation import get_suite
from holdfast.models import build_network

HERE = Path(__file__).resolve().parent
SUITES = ("quick", "standard", "score", "decision")
CLASSES = 10
METHODS = {"standard": 2, "fast": 4, "madry": 22, "trades": 25}  # passes an example and epoch
STEPS = {"mlp": 150, "small_cnn": 60}  # of the training of what is run for real
EPS = 0.1


@dataclass(frozen=True)
class Subject:
    """A network with data; `real` of its points are evaluated for real, none if 0."""

    name: str
    spec: dict[str, Any]
    size: int
    channels: int = 1
    forecast: int = 1000  # points of the forecast
    real: int = 0
    suites: tuple[str, ...] = ("quick", "standard")  # that are run for real, too
    training: int = 1000  # examples of the epoch that is timed
    batch: int = 128
    methods: tuple[str, ...] = tuple(METHODS)


SUBJECTS = (
    Subject("mlp, digits 1x8x8", {"type": "mlp"}, 8, real=128, forecast=512),
    Subject(
        "small_cnn, digits 1x28x28",
        {"type": "small_cnn"},
        28,
        forecast=128,
        real=64,
        suites=("quick",),
        training=256,
    ),
    Subject(
        "preactresnet18, random 3x32x32",
        {"type": "preactresnet18"},
        32,
        channels=3,
        forecast=32,
        training=32,
        batch=32,
        methods=("standard", "madry"),
    ),
)
SMOKE = (
    Subject(
        "mlp, digits 1x8x8",
        {"type": "mlp"},
        8,
        forecast=64,
        real=16,
        training=128,
        methods=("standard", "madry"),
    ),
)


def made(subject: Subject, steps: int) -> tuple[nn.Module, Tensor, Tensor]:
    """Return the network of a subject, trained where it is run for real, and test data."""
    if subject.real:
        return trained_on_digits(steps, EPS, subject.spec, subject.size)
    shape = (subject.channels, subject.size, subject.size)
    x, y = common.batch(shape, max(subject.forecast, subject.training))
    return build_network(subject.spec, shape, CLASSES).eval(), x, y


def evaluated(net: nn.Module, x: Tensor, y: Tensor, suite: str, batch: int) -> tuple[Any, float]:
    """Return the claim's document and the seconds that it took."""
    threat = hf.ThreatModel(hf.Linf(eps=EPS))
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        claim = hf.evaluate(
            net, (x, y), threat=threat, suite=suite, out=f"{out}/c", batch_size=batch, quiet=True
        )
        return claim.document, time.perf_counter() - began


def forecast(net: nn.Module, x: Tensor, subject: Subject, suite: str) -> float:
    """Return the forecast seconds for 1,000 points: that of a run in which no label is right.

    Nothing is attacked there, so the run ends after its forecast.
    """
    rows = torch.arange(subject.forecast) % len(x)
    with torch.no_grad():
        wrong = torch.cat([net(part).argmax(1) for part in x[rows].split(subject.batch)]) + 1
    document, _ = evaluated(net, x[rows], wrong % CLASSES, suite, subject.batch)
    return float(1000 * document["forecast_seconds"] / subject.forecast)


def passes_if_nothing_breaks(suite: str) -> int:
    """Return the passes, forward and backward, that a suite spends on a point that it keeps."""
    return sum(sum(member.attack.passes()) for member in get_suite(suite).parts(CLASSES))


def suite_rows(
    subject: Subject, net: nn.Module, x: Tensor, y: Tensor, suites: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Yield the row of each suite."""
    for suite in suites:
        row = {"network": subject.name, "suite": suite}
        row["passes_if_nothing_breaks"] = passes_if_nothing_breaks(suite)
        row["seconds_per_1000_if_nothing_breaks"] = forecast(net, x, subject, suite)
        if subject.real and suite in subject.suites:
            few = slice(0, subject.real)
            document, seconds = evaluated(net, x[few], y[few], suite, min(subject.real, 128))
            n, cost = document["data"]["n"], document["cost"]
            row |= {
                "n": n,
                "clean": document["clean_accuracy"]["k"] / n,
                "not_broken": document["robust_accuracy"]["k"] / n,
                "passes": (cost["forward"] + cost["backward"]) / n,
                "seconds": seconds,
                "seconds_per_1000": 1000 * seconds / n,
            }
        yield row


def training_rows(
    subject: Subject, x: Tensor, y: Tensor, methods: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Yield the seconds of an epoch over 1,000 examples by each method."""
    rows = torch.arange(subject.training) % len(x)
    few = min(32, subject.training)
    threat = hf.ThreatModel(hf.Linf(eps=EPS))
    base = 0.0
    for method in methods:
        plan = hf.TrainPlan(epochs=2, batch_size=min(subject.batch, subject.training))
        with tempfile.TemporaryDirectory() as out:
            hf.train(
                subject.spec,
                (x[rows], y[rows]),
                threat=threat,
                method=method,
                plan=plan,
                validation=(x[:few], y[:few]),
                out=f"{out}/r",
                quiet=True,
            )
            lines = (Path(out) / "r" / "metrics.jsonl").read_text().splitlines()
        last = json.loads(lines[-1])  # the first epoch warms up
        seconds = 1000 / last["examples_per_second"]
        base = base or seconds
        yield {
            "network": subject.name,
            "method": method,
            "passes": METHODS[method],
            "seconds_per_1000_and_epoch": seconds,
            "times_standard": seconds / base,
        }


def text_of(suites: list[dict[str, Any]], training: list[dict[str, Any]]) -> str:
    """Return both tables."""
    header = ["network", "suite", "passes a point, if nothing breaks"]
    header += ["time for 1,000 points, if nothing breaks (forecast)"]
    header += ["real run: n", "clean, %", "not broken, %", "passes a point"]
    header += ["time for 1,000 points"]
    lines = [
        [
            row["network"],
            row["suite"],
            f"{row['passes_if_nothing_breaks']:,}",
            _time(row["seconds_per_1000_if_nothing_breaks"]),
            *(_real(row) if "n" in row else ["-"] * 5),
        ]
        for row in suites
    ]
    columns = ["network", "method", "passes an example and epoch", "times `standard`"]
    columns += ["time for 1,000 examples and epoch"]
    epochs = [
        [
            row["network"],
            row["method"],
            row["passes"],
            f"{row['times_standard']:.1f}",
            _time(row["seconds_per_1000_and_epoch"]),
        ]
        for row in training
    ]
    return (
        f"Evaluation at Linf {EPS}, ten classes. Times are those of this machine, "
        f"{torch.get_num_threads()} thread(s).\n\n{common.table(header, lines)}\n\nTraining, "
        "without validation; `madry` and `trades` with 10 steps.\n\n"
        f"{common.table(columns, epochs)}"
    )


def _real(row: dict[str, Any]) -> list[str]:
    shares = [f"{100 * row[key]:.0f}" for key in ("clean", "not_broken")]
    return [str(row["n"]), *shares, f"{row['passes']:,.0f}", _time(row["seconds_per_1000"])]


def _time(seconds: float) -> str:
    """Return seconds with two digits that count, as minutes or hours where they are many."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{float(f'{seconds / size:.2g}'):g} {unit}"
    return f"{float(f'{seconds:.2g}'):g} s"


def main() -> None:
    asked = common.parser(__doc__, HERE / "duration.json").parse_args()
    began = time.monotonic()
    suites: list[dict[str, Any]] = []
    training: list[dict[str, Any]] = []
    for subject in SMOKE if asked.smoke else SUBJECTS:
        net, x, y = made(subject, 20 if asked.smoke else STEPS.get(subject.spec["type"], 0))
        for row in suite_rows(subject, net, x, y, SUITES[:1] if asked.smoke else SUITES):
            suites.append(row)
            print(f"{time.monotonic() - began:.0f} s: {subject.name}, {row['suite']}", flush=True)
        training += training_rows(subject, x, y, subject.methods)
        print(f"{time.monotonic() - began:.0f} s: {subject.name}, training", flush=True)
    result = {"suites": suites, "training": training, **common.facts()}
    common.write(asked.out, result, text_of(suites, training))


if __name__ == "__main__":
    main()
