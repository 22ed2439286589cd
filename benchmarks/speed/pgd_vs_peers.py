"""How long does PGD-40 take in each library, at equal steps?

    python benchmarks/speed/pgd_vs_peers.py --out benchmarks/speed/pgd_vs_peers.json

Linf, cross-entropy, uniform random start, the same eps, step, network in eval mode, and batch;
one batch of 128 per call. Peers that are not installed are left out, and the result says so:

    python -m venv peers && peers/bin/pip install torch
    peers/bin/pip install numpy scipy scikit-learn six tqdm requests eagerpy GitPython packaging \
        safetensors rich pillow pyyaml
    peers/bin/pip install --no-deps torchattacks foolbox adversarial-robustness-toolbox cleverhans

(`--no-deps`, because some of them pin old versions or pull in what PGD does not need.)

Every library runs as its documentation shows, with parameters that require gradients, as users
have them. Ours is timed twice: `hf.attack`, which checks the input, scores every point and keeps
the worst (41 forward passes), and the last iterate alone, as training uses it (40). What the
others do on top (foolbox and ART look at the result once or twice more) is counted and shown.
Contestants take turns; medians of the wall clock. Target: hf.attack at most 1.05 times the
fastest peer. Robust accuracies (means of three random starts, on the test set of the digits or the
first 256 test images) must agree within a point: equal work, equal strength.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import Counting, Timing, batch, facts, interleaved, milliseconds, parser, table, write
from networks import first_images, load_target, reference, targets_folder, trained_on_digits

import holdfast as hf
from holdfast.attacks import last
from holdfast.models import build_network
from holdfast.objective import Objective
from holdfast.rng import Rng

TARGET = 1.05
STEP = 0.1  # of the radius
OURS, OURS_LAST = "holdfast", "holdfast, last iterate"
PEERS = {
    "torchattacks": "torchattacks",
    "foolbox": "foolbox",
    "ART": "adversarial-robustness-toolbox",
    "CleverHans": "cleverhans",
}
PUBLISHED = ("mnist_cnn_a_adv", "cifar10_resnet2b_adv2")

DRAWS = 3  # random starts over which robust accuracies are averaged

Attack = Callable[[Tensor, Tensor, int], Tensor]  # x, y, seed (peers draw globally) -> x_adv


def holdfast(net: nn.Module, eps: float, steps: int) -> Attack:
    threat, pgd = _ours(eps, steps)
    return lambda x, y, seed: hf.attack(net, x, y, threat=threat, attack=pgd, seed=seed).x_adv


def holdfast_last(net: nn.Module, eps: float, steps: int) -> Attack:
    threat, pgd = _ours(eps, steps)
    model = hf.wrap(net)

    def run(x: Tensor, y: Tensor, seed: int) -> Tensor:
        objective = Objective(threat, model, x, y)
        with objective.frozen():
            return last(pgd, objective, threat.space.around(x), Rng(seed, torch.arange(len(x))))

    return run


def _ours(eps: float, steps: int) -> tuple[hf.ThreatModel, Any]:
    return hf.ThreatModel(hf.Linf(eps=eps)), hf.attacks.PGD(
        steps=steps, step_size=STEP, loss=hf.losses.CrossEntropy()
    )


def torchattacks(net: nn.Module, eps: float, steps: int) -> Attack:
    import torchattacks as library

    attack = library.PGD(net, eps=eps, alpha=STEP * eps, steps=steps, random_start=True)
    return lambda x, y, _: attack(x, y)


def foolbox(net: nn.Module, eps: float, steps: int) -> Attack:
    import foolbox as library

    attack = library.attacks.LinfPGD(abs_stepsize=STEP * eps, steps=steps, random_start=True)
    model = library.PyTorchModel(net, bounds=(0, 1), device="cpu")
    return lambda x, y, _: attack(model, x, y, epsilons=eps)[1]


def art(net: nn.Module, eps: float, steps: int) -> Attack:
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    def run(x: Tensor, y: Tensor, _: int) -> Tensor:
        estimator = PyTorchClassifier(
            net,
            loss=nn.CrossEntropyLoss(),
            input_shape=tuple(x.shape[1:]),
            nb_classes=10,
            clip_values=(0.0, 1.0),
            device_type="cpu",
        )
        attack = ProjectedGradientDescentPyTorch(
            estimator,
            norm=np.inf,
            eps=eps,
            eps_step=STEP * eps,
            max_iter=steps,
            num_random_init=1,
            batch_size=len(x),
            verbose=False,
        )
        return torch.from_numpy(attack.generate(x.numpy(), y.numpy()))

    return run


def cleverhans(net: nn.Module, eps: float, steps: int) -> Attack:
    from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent

    return lambda x, y, _: projected_gradient_descent(
        net, x, eps, STEP * eps, steps, np.inf, clip_min=0.0, clip_max=1.0, y=y
    ).detach()


CONTESTANTS = {
    OURS: holdfast,
    OURS_LAST: holdfast_last,
    "torchattacks": torchattacks,
    "foolbox": foolbox,
    "ART": art,
    "CleverHans": cleverhans,
}


def settings(smoke: bool, given: Path | None) -> dict[str, dict[str, Any]]:
    """Return name -> network, images, labels, eps, is it trained, is it quick to compute.

    What is not quick is timed with the first of the given thread counts alone.
    """
    net, x, y = trained_on_digits(20 if smoke else 150)
    found = {"digits, small CNN": {"net": net, "x": x, "y": y, "eps": 0.1, "trained": True}}
    found["digits, small CNN"]["quick"] = True
    if smoke:
        return found
    folder = targets_folder(given)
    for name in PUBLISHED if folder else ():
        facts_of = reference(folder)[name]
        examples = first_images(facts_of["data"], 256)
        images = examples.batch(torch.arange(len(examples)))
        found[name] = {
            "net": load_target(folder, name)[0],
            "x": images.x,
            "y": images.y,
            "eps": float(hf.Linf(eps=facts_of["eps"]).radius),
            "trained": True,
            "quick": True,
        }
    for name, spec, shape in (
        ("StrideCNN, random weights", "stride_cnn", (1, 28, 28)),
        ("PreActResNet-18 width 16, random weights", "preactresnet18", (3, 32, 32)),
    ):
        plain = {"type": spec} | ({"width": 16} if spec == "preactresnet18" else {})
        x, y = batch(shape, 128)
        net = build_network(plain, shape, 10).eval()
        found[name] = {"net": net, "x": x, "y": y, "eps": 8 / 255, "trained": False}
        found[name]["quick"] = spec == "stride_cnn"
    return found


def measure(
    name: str, setting: dict[str, Any], contestants: list[str], threads: int, given: Any
) -> list[dict[str, Any]]:
    """Return one row per contestant on one network."""
    torch.set_num_threads(threads)
    net, eps, steps = setting["net"], setting["eps"], given.steps
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    x, y = setting["x"][: given.batch], setting["y"][: given.batch]
    attacks = {who: CONTESTANTS[who](net, eps, steps) for who in contestants}
    timings = interleaved(
        {who: partial(attack, x, y, 0) for who, attack in attacks.items()}, given.repeats, warmup=1
    )
    fastest = min((who for who in contestants if who in PEERS), key=_by(timings), default=None)
    rows = []
    for who in contestants:
        row = {"network": name, "threads": threads, "library": who, "batch": len(x), "eps": eps}
        row |= timings[who].plain() | _passes(who, net, x, y, eps, steps)
        if fastest:
            row["fastest_peer"] = fastest
            row["ratio_to_fastest_peer"] = round(timings[who].ratio(timings[fastest]), 3)
            within = timings[who].paired_ratio(timings[fastest])
            row["ratio_within_rounds"] = round(within, 3)
            processor = timings[who].processor_ratio(timings[fastest])
            row["ratio_of_processor_seconds"] = round(processor, 3)
        if setting["trained"] and threads == 1:
            row |= strength(attacks[who], setting, given.batch)
        rows.append(row)
    return rows


def _by(timings: dict[str, Timing]) -> Callable[[str], float]:
    return lambda who: timings[who].median


def _passes(
    who: str, net: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int
) -> dict[str, float]:
    counting = Counting(net).eval()
    CONTESTANTS[who](counting, eps, steps)(x, y, 0)
    return {
        "forward_per_example": round(counting.forwards / len(x), 2),
        "backward_per_example": round(counting.backwards / len(x), 2),
    }


def strength(attack: Attack, setting: dict[str, Any], size: int) -> dict[str, Any]:
    """Return the robust accuracy found on all images, and the largest change made, over eps."""
    net, largest = setting["net"], 0.0
    correct = [0] * DRAWS
    for draw in range(DRAWS):
        batches = zip(setting["x"].split(size), setting["y"].split(size), strict=True)
        for i, (x, y) in enumerate(batches):
            x_adv = attack(x, y, 1000 * draw + i)
            largest = max(largest, float((x_adv - x).abs().max()))
            with torch.no_grad():
                correct[draw] += int((net(x_adv).argmax(1) == y).sum())
    n = len(setting["y"])
    return {
        "n": n,
        "robust_accuracy": sum(correct) / n / DRAWS,
        "still_correct_by_draw": correct,
        "size_over_eps": largest / setting["eps"],
    }


def available() -> tuple[list[str], dict[str, str]]:
    """Return the contestants that run here, and for the others the reason why not."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 10)).eval()
    x, y = torch.rand(2, 1, 2, 2), torch.ones(2, dtype=torch.int64)
    ready, missing = [], {}
    for who, make in CONTESTANTS.items():
        try:
            make(net, 0.1, 1)(x, y, 0)
            ready.append(who)
        except Exception as error:  # noqa: BLE001  # whatever a peer does wrong is its result
            missing[who] = f"{type(error).__name__}: {error}"
    return ready, missing


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("--repeats", type=int, default=7)
    made.add_argument("--steps", type=int, default=40)
    made.add_argument("--batch", type=int, default=128)
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    made.add_argument("--targets", type=Path, help="folder of published networks")
    made.add_argument("--only", nargs="+", help="networks whose names begin so")
    given = made.parse_args(arguments)
    if given.smoke:
        given.repeats, given.steps, given.batch, given.threads = 1, 2, 128, [1]
    np.random.seed(0)  # noqa: NPY002  # ART draws from the global generator
    torch.manual_seed(0)  # and the other peers from PyTorch's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ready, missing = available()
        result: dict[str, Any] = {
            "question": (__doc__ or "").partition("\n")[0],
            "steps": given.steps,
            "target": TARGET,
            "not_run": missing,
            "rows": [],
        }
        for name, setting in settings(given.smoke, given.targets).items():
            if given.only and not name.startswith(tuple(given.only)):
                continue
            for threads in given.threads if setting["quick"] else given.threads[:1]:
                result["rows"] += measure(name, setting, ready, threads, given)
                result |= facts(list(PEERS.values()))
                write(given.out, result, _page(result), show=False)  # a run cut short has its rows
                print(f"{name}, {threads} threads: done", file=sys.stderr)
    write(given.out, result, _page(result))
    return result


def _page(result: dict[str, Any]) -> str:
    header = ["network", "threads", "library", "ms", "over the fastest peer", "within rounds"]
    header += ["processor seconds", "forward", "backward", "robust accuracy, %"]
    lines = []
    for row in result["rows"]:
        robust = row.get("robust_accuracy")
        ratios = ("ratio_to_fastest_peer", "ratio_within_rounds", "ratio_of_processor_seconds")
        lines.append(
            [
                row["network"],
                row["threads"],
                row["library"],
                milliseconds(row["median_seconds"]),
                *(f"{row[key]:.2f}" if key in row else "-" for key in ratios),
                f"{row['forward_per_example']:g}",
                f"{row['backward_per_example']:g}",
                "-" if robust is None else f"{100 * robust:.2f}",
            ]
        )
    versions = ", ".join(f"{k} {v}" for k, v in result["packages"].items() if v)
    text = f"{result['question']} PGD-{result['steps']}; target {TARGET:.2f}. {versions}."
    for who, reason in result["not_run"].items():
        text += f"\n\nNot run: {who} ({reason})."
    return f"{text}\n\n{table(header, lines)}"


if __name__ == "__main__":
    main()
