"""What does every attack find at its defaults on one small network?

    python benchmarks/attacks/first_figures.py

One figure for each registered attack, also for those that no other library has: a small CNN for the
digits that saw one-step attacks in training, the first test images that it and a second network
classify correctly, the first set of SETS that the attack fits, one thread. Success is the share of
images that it broke within eps; the median distance is that of an attack which looks for the
nearest counterexample. An attack of the family `transfer` searches on the small CNN and is judged
by the second network, an MLP. A universal one is fitted on 64 training images. Passes are means
per image, time is that of the processor.

It is no ranking: sets and passes differ. Attacks are compared at equal passes by speed.py and
optimality.py. No target; it takes ten minutes of one core.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import facts, parser, table, write
from networks import trained_on_digits

import holdfast as hf
from holdfast.attacks import ApplyPatch, ApplyPerturbation, Attack, Result, UniversalPatch, fit
from holdfast.components import known
from holdfast.reference import example, short
from holdfast.spaces import (
    L0,
    L1,
    L2,
    CommonCorruptions,
    Flow,
    Linf,
    Patch,
    PixelL0,
    Recolor,
    RotationTranslation,
)
from holdfast.spaces.catalog import fits
from holdfast.threat import Knowledge, Normed, Space

SETS: tuple[Space, ...] = (  # the radii of speed.py, and usual ones
    Linf(eps=0.1),
    L2(eps=0.5),
    L1(eps=2),
    L0(eps=5),
    PixelL0(eps=5),
    RotationTranslation(degrees=30, shift=1),
    Flow(eps=0.8),
    Recolor(eps=0.1),
    Patch(eps=1, height=0.25, width=0.25),
    CommonCorruptions(eps=5),
)
FITTED_ON = 64  # training images
SMOKE = ("fgsm", "ddn", "mifgsm")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("-n", type=int, default=64, help="images")
    given = made.parse_args(arguments)
    names = SMOKE if given.smoke else tuple(known("attack"))
    torch.set_num_threads(1)
    steps = 20 if given.smoke else 150
    net, x, y = trained_on_digits(steps)
    judge, _, _ = trained_on_digits(steps, network={"type": "mlp", "hidden": [64]})
    x, y = _right((net, judge), x, y, 8 if given.smoke else given.n)
    rows = []
    for name in names:
        rows.append(_row(name, known("attack")[name], (net, judge), x, y))
        print(name, rows[-1]["success"], rows[-1]["ms"], file=sys.stderr, flush=True)
    if not given.smoke:
        rows += [_fitted(name, cls, net, x, y) for name, cls in known("universal").items()]
    result = {
        "question": (__doc__ or "").partition("\n")[0],
        "n": len(y),
        "network": "a small CNN for the digits, trained against one-step attacks at Linf 0.1",
        "judge": "an MLP trained likewise",
        "fitted_on": FITTED_ON,
        "rows": rows,
    } | facts()
    write(given.out, result, page(result))
    return result


def _right(nets: tuple[nn.Module, ...], x: Tensor, y: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Return the first n images that all networks classify correctly."""
    with torch.no_grad():
        right = torch.stack([net(x).argmax(1) == y for net in nets]).all(0)
    return x[right][:n], y[right][:n]


def _row(
    name: str, cls: type[Attack], nets: tuple[nn.Module, nn.Module], x: Tensor, y: Tensor
) -> dict[str, Any]:
    attack = example(cls)
    knowledge, net, search = attack.demands().knowledge, nets[0], None
    if cls.__module__.split(".")[-2] == "transfer":
        knowledge, net, search = Knowledge.TRANSFER, nets[1], nets[0]
    elif knowledge is Knowledge.TRANSFER:  # it asks for the verdict alone
        knowledge = Knowledge.DECISION
    threat = hf.ThreatModel(_space(attack, x), knowledge=knowledge)
    started = time.process_time()
    found = hf.attack(net, x, y, threat=threat, attack=attack, seed=0, surrogate=search)
    seconds = time.process_time() - started
    return {
        "attack": name,
        "settings": short(attack, budgets=True),
        "set": short(threat.space, budgets=True),
        "knowledge": knowledge.value,
        "success": round(float(found.success.double().mean()), 4),
        "median": _median(attack, found),
        "forward": round(float(found.cost.forward.double().mean()), 1),
        "backward": round(float(found.cost.backward.double().mean()), 1),
        "ms": float(f"{1e3 * seconds / len(y):.3g}"),
    }


def _fitted(name: str, cls: type[Any], net: nn.Module, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Return the figure of one change for all inputs: what it breaks of images it never saw."""
    patch = cls is UniversalPatch
    space = next(space for space in SETS if isinstance(space, Patch) is patch)
    train = hf.load_data("digits").train.take(torch.arange(FITTED_ON))
    method, threat = example(cls), hf.ThreatModel(space)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        made = fit(method, net, train, threat=threat, out=Path(folder) / name, seed=0, quiet=True)
        seconds = time.process_time() - started
        attack = ApplyPatch(perturbation=made) if patch else ApplyPerturbation(perturbation=made)
        found = hf.attack(net, x, y, threat=threat, attack=attack, seed=0)
    return {
        "attack": name,
        "settings": f"fit({short(method, budgets=True)})",
        "set": short(space, budgets=True),
        "knowledge": Knowledge.GRADIENT.value,
        "success": round(float(found.success.double().mean()), 4),
        "median": None,
        "forward": round(float(found.cost.forward.double().mean()), 1),
        "backward": round(float(found.cost.backward.double().mean()), 1),
        "ms": float(f"{1e3 * seconds / FITTED_ON:.3g}"),
    }


def _space(attack: Attack, x: Tensor) -> Space:
    demands = attack.demands()
    needs = (*demands.needs, *([Normed] if demands.nearest else []))
    return next(space for space in SETS if fits(space.around(x[:1]), needs))


def _median(attack: Attack, found: Result) -> float | None:
    """Return the median distance of the nearest counterexamples, None of another attack."""
    if not attack.demands().nearest:
        return None
    sizes = torch.where(found.reached, found.size.double(), math.inf)
    middle = float(sizes.median())
    return round(middle, 4) if math.isfinite(middle) else None


def page(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    header = ["attack", "set", "success", "median distance", "passes an image", "ms an image"]
    lines = [
        [
            row["attack"],
            f"`{row['set']}`" + ", carried over" * (row["knowledge"] == "transfer"),
            f"{100 * row['success']:.0f} %",
            "" if row["median"] is None else f"{row['median']:.3g}",
            f"{row['forward']:g} + {row['backward']:g}",
            f"{row['ms']:g}",
        ]
        for row in result["rows"]
    ]
    text = (
        f"{result['question']} {result['n']} images, {result['network']}; what is carried over is "
        f"judged by {result['judge']}. Forward + backward passes; one thread. It is no ranking."
    )
    return f"{text}\n\n{table(header, lines)}"


if __name__ == "__main__":
    main()
