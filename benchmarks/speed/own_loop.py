"""What does a training loop of one's own pay for its attack?

    python benchmarks/speed/own_loop.py --out benchmarks/speed/own_loop.json

`hf.perturb` and `hf.attack` against the PGD-7 that users write into a training loop: a uniform
start, seven times a forward pass, `autograd.grad` for the input alone, a sign step and clamps, the
network switched to eval mode and back. The calls are whole: arguments checked, network wrapped,
seed drawn. `hf.attack` scores every point, also the last one, and keeps the worst of each example,
so its floor is `by hand, last point scored`: the same loop and one more forward pass.

All take turns on the same batch. Target: 1.03 for `hf.perturb`, on networks whose steps take 10 ms
and more; what a call costs whatever the network, the smallest one shows.
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

import holdfast as hf
from holdfast.models import build_network
from holdfast.models.networks import PreActResNet18

TARGET = 1.03
EPS = 8 / 255
STEP = 0.25  # of the radius
STEPS = 7
HAND = "by hand"
RATIOS = ("ratio", "ratio_within_rounds", "ratio_of_processor_seconds")
# network, shape, batch, repeats for each one asked for
CASES: dict[str, tuple[Any, tuple[int, ...], int, int]] = {
    "MLP 64-32-10": ({"type": "mlp", "hidden": [32]}, (1, 8, 8), 64, 10),
    "StrideCNN": ("stride_cnn", (1, 28, 28), 128, 2),
    "PreActResNet-18, width 16": (PreActResNet18(width=16), (3, 32, 32), 64, 1),
}


def by_hand(net: nn.Module, x: Tensor, y: Tensor, *, scored: bool = False) -> Tensor:
    """Return the last point, as a loop would have it that asks for nothing else."""
    net.eval()
    z = (x + torch.empty_like(x).uniform_(-EPS, EPS)).clamp(0, 1)
    for _ in range(STEPS):
        z.requires_grad_(True)
        (grad,) = torch.autograd.grad(F.cross_entropy(net(z), y), z)
        z = z.detach() + STEP * EPS * grad.sign()
        z = torch.min(torch.max(z, x - EPS), x + EPS).clamp(0, 1)
    if scored:
        with torch.no_grad():
            net(z)
    net.train()
    return z


def works(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, Callable[[], object]]:
    """Return what is timed."""
    threat = hf.ThreatModel(hf.Linf(eps="8/255"))
    pgd = hf.attacks.PGD(steps=STEPS, step_size=STEP)
    return {
        HAND: lambda: by_hand(net, x, y),
        "hf.perturb": lambda: hf.perturb(net, x, y, threat=threat, attack=pgd),
        "by hand, last point scored": lambda: by_hand(net, x, y, scored=True),
        "hf.attack": lambda: hf.attack(net, x, y, threat=threat, attack=pgd),
    }


def measure(name: str, threads: int, repeats: int, n: int | None) -> list[dict[str, Any]]:
    """Return the figures of one network and thread count."""
    torch.set_num_threads(threads)
    spec, shape, size, times = CASES[name]
    x, y = batch(shape, n or size)
    net = build_network(spec, shape, 10).train()
    seconds = interleaved(works(net, x, y), times * repeats)
    return [
        {
            "network": name,
            "threads": threads,
            "batch": len(x),
            "work": work,
            **timing.plain(),
            "ratio": round(timing.ratio(seconds[HAND]), 3),
            "ratio_within_rounds": round(timing.paired_ratio(seconds[HAND]), 3),
            "ratio_of_processor_seconds": round(timing.processor_ratio(seconds[HAND]), 3),
        }
        for work, timing in seconds.items()
    ]


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("--repeats", type=int, default=11)
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    given = made.parse_args(arguments)
    if given.smoke:
        given.repeats, given.threads = 1, [1]
    names = list(CASES)[:1] if given.smoke else list(CASES)
    cases = [(name, threads) for threads in given.threads for name in names]
    result: dict[str, Any] = {"question": (__doc__ or "").partition("\n")[0], "target": TARGET}
    result["rows"] = []
    for i, (name, threads) in enumerate(cases, start=1):
        result["rows"] += measure(name, threads, given.repeats, 2 if given.smoke else None)
        result |= facts()
        write(given.out, result, page(result), show=i == len(cases))  # a run cut short has its rows
    return result


def page(result: dict[str, Any]) -> str:
    header = ["network", "batch", "threads", "PGD-7", "ms a call", "ratio"]
    header += ["within rounds", "processor seconds"]
    lines = [
        [
            row["network"],
            row["batch"],
            row["threads"],
            row["work"],
            milliseconds(row["median_seconds"]),
            *(f"{row[ratio]:.2f}" for ratio in RATIOS),
        ]
        for row in result["rows"]
    ]
    fewest = min(row["repeats"] for row in result["rows"])
    text = (
        f"{result['question']} Medians of at least {fewest}; target {TARGET:.2f} for `hf.perturb`."
    )
    return f"{text}\n\n{table(header, lines)}"


if __name__ == "__main__":
    main()
