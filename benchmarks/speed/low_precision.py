"""What does searching in bfloat16 gain, and does it find the same?

    HOLDFAST_DATA=folder/of/npz python benchmarks/speed/low_precision.py \
        --target published/targets/cifar10_resnet2b_adv2.pt --n 300

Time: an attack step (PGD, batch 128, last iterate) on PreActResNet-18, width 32, in bfloat16 with
channels-last against plain float32, taking turns, medians. Target where the CPU has AMX: at least
2 times faster; elsewhere it is just reported.

Strength: `evaluate(precision="bfloat16")` against `evaluate()`, robust accuracy of one network;
verdicts are float32 in both. Target: within 0.2 points. --target is a published network (a .pt
beside a `load_target.py`, CIFAR-10, eps 2/255); without it, a small CNN trained on the built-in
digits for seconds, eps 0.1.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import batch, facts, interleaved, milliseconds, parser, table, write
from networks import first_images, load_target, trained_on_digits

import holdfast as hf
from holdfast.attacks import PGD, last
from holdfast.models import Model, build_network
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.runtime import precision

FASTER, POINTS = 2.0, 0.002
FORMATS = ("float32", "bfloat16")


def attack(model: Model, x: Tensor, y: Tensor, steps: int) -> Tensor:
    threat = hf.ThreatModel(hf.Linf(eps="8/255"))
    objective = Objective(threat, model, x, y)
    with objective.frozen():
        rng = Rng(0, torch.arange(len(x)))
        return last(PGD(steps=steps), objective, threat.space.around(x), rng)


def time_steps(width: int, n: int, steps: int, repeats: int, threads: int) -> dict[str, Any]:
    """Return the seconds of an attack step in each number format."""
    torch.set_num_threads(threads)
    spec = {"type": "preactresnet18", "width": width}
    net = build_network(spec, (3, 32, 32), 10).eval()
    x, y = batch((3, 32, 32), n)
    works: dict[str, Callable[[], object]] = {
        name: partial(attack, hf.wrap(precision(name).convert(net)), x, y, steps)
        for name in FORMATS
    }
    timings = interleaved(works, repeats, warmup=1)
    full, low = (timings[name] for name in FORMATS)
    return {
        "threads": threads,
        "width": width,
        "batch": n,
        "steps": steps,
        **{name: timings[name].plain() for name in FORMATS},
        "times_faster": round(full.ratio(low), 3),
        "times_faster_within_rounds": round(full.paired_ratio(low), 3),
        "times_faster_by_processor_seconds": round(full.processor_ratio(low), 3),
    }


def same_accuracy(net: nn.Module, data: Any, eps: float | str, suite: str) -> dict[str, Any]:
    """Return the robust accuracy found by searching in each number format."""
    threat = hf.ThreatModel(hf.Linf(eps=eps))
    found: dict[str, Any] = {"eps": str(eps), "suite": suite}
    for name in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            claim = hf.evaluate(
                net, data, threat=threat, suite=suite, out=folder, precision=name, quiet=True
            )
        unbroken = [status == "unbroken" for status in claim.per_example["status"]]
        found["n"] = len(unbroken)
        found[name] = {
            "robust_accuracy": sum(unbroken) / len(unbroken),
            "seconds": round(claim.cost.seconds, 2),
            "passes": claim.cost.forward + claim.cost.backward,
            "broken_by": {w["name"]: w["broken"] for w in claim.waterfall if w["broken"]},
        }
    low, full = found["bfloat16"]["robust_accuracy"], found["float32"]["robust_accuracy"]
    return found | {"difference": round(low - full, 6), "target": POINTS}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("--repeats", type=int, default=7)
    made.add_argument("--steps", type=int, default=2)
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    made.add_argument("--target", type=Path, help="a published network, .pt")
    made.add_argument("--n", type=int, default=300)
    made.add_argument("--suite", default="standard")
    given = made.parse_args(arguments)
    width, n = 32, 128
    if given.smoke:
        width, n, given.repeats, given.threads, given.suite, given.n = 4, 2, 1, [1], "quick", 32
    rows = [time_steps(width, n, given.steps, given.repeats, k) for k in given.threads]
    torch.set_num_threads(max(given.threads))
    if given.target:
        net, _ = load_target(given.target.parent, given.target.stem)
        name, eps, data = given.target.stem, "2/255", first_images("cifar10", given.n)
    else:
        net, x, y = trained_on_digits(20 if given.smoke else 150)
        name, eps, data = "small CNN on digits", "0.1", (x[: given.n], y[: given.n])
    accuracy = {"network": name, **same_accuracy(net, data, eps, given.suite)}
    result = {
        "question": (__doc__ or "").partition("\n")[0],
        "target_times_faster_with_amx": FASTER,
        "speed": rows,
        "accuracy": accuracy,
        **facts(),
    }
    write(given.out, result, page(result))
    return result


def page(result: dict[str, Any]) -> str:
    header = ["threads", "float32, ms a step", "bfloat16", "times faster", "within rounds"]
    header += ["by processor seconds"]
    lines = [
        [
            row["threads"],
            *(milliseconds(row[name]["median_seconds"] / row["steps"]) for name in FORMATS),
            f"{row['times_faster']:.2f}",
            f"{row['times_faster_within_rounds']:.2f}",
            f"{row['times_faster_by_processor_seconds']:.2f}",
        ]
        for row in result["speed"]
    ]
    row, found = result["speed"][0], result["accuracy"]
    accuracy = [
        [
            name,
            f"{100 * found[name]['robust_accuracy']:.2f}",
            found[name]["seconds"],
            found[name]["passes"],
        ]
        for name in FORMATS
    ]
    return (
        f"{result['question']} PreActResNet-18, width {row['width']}, batch {row['batch']}; "
        f"medians of {row['float32']['repeats']}; target with AMX {FASTER:g} times.\n\n"
        f"{table(header, lines)}\n\n"
        f"{found['network']}, first {found['n']} test images, eps {found['eps']}, "
        f"{found['suite']}: difference {100 * found['difference']:+.2f} points (target "
        f"{100 * POINTS:g}).\n\n"
        f"{table(['search', 'robust accuracy, %', 'seconds', 'passes'], accuracy)}"
    )


if __name__ == "__main__":
    main()
