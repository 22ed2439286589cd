"""What does one attack step cost on top of its forward and backward pass?

    python benchmarks/speed/attack_step.py --out benchmarks/speed/attack_step.json

Ours against a loop written by hand: a forward pass, `autograd.grad` for the input alone, a sign
step, a clamp. Both make the same passes of the same network in eval mode, batch 128:

- `training`: K steps, the last point unscored (K forward, K backward), as training attacks;
- `evaluation`: K steps and every point scored (K + 1 forward, K backward); ours keeps the worst
  point of each example on the way, audits gradients, counts passes; by hand only the last counts.

Runs take turns; the figures are medians of the wall clock, per step. Target: at most 1.10.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import batch, facts, interleaved, milliseconds, parser, table, write

from holdfast.attacks import PGD, last
from holdfast.models import build_network, wrap
from holdfast.models.networks import PreActResNet18
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel

TARGET = 1.10
EPS = 8 / 255
STEP = 0.1  # of the radius
NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "SmallCNN": ("small_cnn", (1, 28, 28)),
    "StrideCNN": ("stride_cnn", (1, 28, 28)),
    "PreActResNet-18, width 16": (PreActResNet18(width=16), (3, 32, 32)),
}


def by_hand(model: nn.Module, x: Tensor, y: Tensor, start: Tensor, steps: int) -> Tensor:
    """Return the last point; the least that `steps` steps can cost."""
    low, high = (x - EPS).clamp_min(0), (x + EPS).clamp_max(1)
    z = start
    for _ in range(steps):
        z.requires_grad_(True)
        (grad,) = torch.autograd.grad(F.cross_entropy(model(z), y), z)
        z = torch.clamp(z.detach() + STEP * EPS * grad.sign(), low, high)
    return z


def works(
    net: nn.Module, x: Tensor, y: Tensor, steps: int
) -> dict[str, dict[str, Callable[[], object]]]:
    """Return what is timed: {"training": {"ours", "by hand"}, "evaluation": ...}."""
    bare = net.eval().requires_grad_(False)
    model = wrap(net)
    threat = ThreatModel(Linf(eps="8/255"))
    rng = Rng(0, torch.arange(len(x)))
    attack = PGD(steps=steps, step_size=STEP)
    start = threat.space.around(x).init(rng)

    def ours_last() -> Tensor:
        objective = Objective(threat, model, x, y)
        with objective.frozen():
            return last(attack, objective, threat.space.around(x), rng, start)

    def ours_worst() -> object:
        return attack(Objective(threat, model, x, y), threat.space.around(x), rng, start)

    def bare_scored() -> Tensor:
        z = by_hand(bare, x, y, start.clone(), steps)
        with torch.no_grad():
            return bare(z).argmax(1) != y

    return {
        "training": {
            "ours": ours_last,
            "by hand": lambda: by_hand(bare, x, y, start.clone(), steps),
        },
        "evaluation": {"ours": ours_worst, "by hand": bare_scored},
    }


def measure(name: str, threads: int, steps: int, repeats: int, n: int, kind: str) -> dict[str, Any]:
    """Return the figures of one network, thread count and number of steps."""
    torch.set_num_threads(threads)
    spec, shape = NETWORKS[name]
    x, y = batch(shape, n)
    net = build_network(spec, shape, 10)
    seconds = interleaved(works(net, x, y, steps)[kind], repeats)
    ours, hand = seconds["ours"], seconds["by hand"]
    return {
        "network": name,
        "kind": kind,
        "threads": threads,
        "steps": steps,
        "batch": n,
        "ours": ours.plain(),
        "by_hand": hand.plain(),
        "ratio": round(ours.ratio(hand), 3),
        "ratio_within_rounds": round(ours.paired_ratio(hand), 3),
        "ratio_of_processor_seconds": round(ours.processor_ratio(hand), 3),
        "target": TARGET,
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("--repeats", type=int, default=15)
    made.add_argument("--steps", type=int, nargs="+", default=[10, 1])
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    given = made.parse_args(arguments)
    if given.smoke:
        given.repeats, given.steps, given.threads = 1, [2], [1]
    n = 4 if given.smoke else 128
    cases = [
        (name, threads, steps, kind)
        for threads in given.threads
        for steps in given.steps
        for name in NETWORKS
        for kind in ("training", "evaluation")
    ]
    result: dict[str, Any] = {"question": (__doc__ or "").partition("\n")[0], "rows": []}
    for i, (name, threads, steps, kind) in enumerate(cases, start=1):
        result["rows"].append(measure(name, threads, steps, given.repeats, n, kind))
        result |= facts()
        write(given.out, result, page(result), show=i == len(cases))  # a run cut short has its rows
    return result


def page(result: dict[str, Any]) -> str:
    header = ["network", "passes", "threads", "steps", "by hand, ms a step", "ours", "ratio"]
    header += ["within rounds", "processor seconds"]
    rows = result["rows"]
    lines = [
        [
            row["network"],
            row["kind"],
            row["threads"],
            row["steps"],
            milliseconds(row["by_hand"]["median_seconds"] / row["steps"]),
            milliseconds(row["ours"]["median_seconds"] / row["steps"]),
            f"{row['ratio']:.2f}",
            f"{row['ratio_within_rounds']:.2f}",
            f"{row['ratio_of_processor_seconds']:.2f}",
        ]
        for row in rows
    ]
    text = (
        f"{result['question']} Batch {rows[0]['batch']}; medians of {rows[0]['ours']['repeats']}; "
        f"target {TARGET:.2f}."
    )
    return f"{text}\n\n{table(header, lines)}"


if __name__ == "__main__":
    main()
