"""How long does every attack take that another library has, too, at equal passes?

    HOLDFAST_DATA=folder/of/npz HOLDFAST_SHARED=folder/that/holds/targets \
        python benchmarks/attacks/speed.py --work folder

Each attack of ours against the same one of adv-lib, foolbox, ART, torchattacks and CleverHans
(installed as speed/pgd_vs_peers.py says, adv-lib in the same way), one thread, on a published
network for MNIST and a small CNN for the digits; only images that are classified correctly. Passes
are counted by a light counter around the network. Where the libraries spend different numbers of
them, time is compared per pass (forward and backward alike). In every round each contestant runs
once, in turns; the figure is the ratio of the medians over the rounds, ours over theirs.

Gradient attacks: batches of 128, all libraries with the same number of steps. Target: at most 1.0
times the fastest peer. Score- and decision-based attacks: ours in a batch of 256, theirs as they
are. Peers that attack one image after the other get the first 8 of those images, and their time is
divided by 8; ours may spend the queries that they spent. Beside the times stand the median distance
(decision) or the success rate (score) on the images that both attacked. Target: at least 10 times
faster than a peer that attacks one by one, at most 1.0 times the time of one that does not, and a
result that is no worse.

Runs resume: each attack on a network is a small file in the folder --work; what is there is not run
again. An attack that raises an error is listed with the reason.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from common import Counting, Timing, facts, interleaved, parser, write
from distances import nearest
from gradients import fixed_radius
from networks import first_images, load_target, targets_folder, trained_on_digits
from pairs import INF, Pair, Rival, Run, Target
from peers import LIBRARIES, PACKAGES, stand_in
from queries import by_queries
from verdicts import SLOWEST, TIMES, judged, page

OURS = "holdfast"
PUBLISHED = "mnist_cnn_a_adv"
RADII = {
    PUBLISHED: {0.0: 25.0, 1.0: 10.0, 2.0: 2.0, INF: 0.3},
    "digits": {0.0: 5.0, 1.0: 2.0, 2.0: 0.5, INF: 0.1},
}


class Trial:
    """One contestant with its images: run again and again, it counts its passes."""

    def __init__(self, run: Run, target: Target, budget: int) -> None:
        self.run, self.target, self.budget, self.calls = run, target, budget, 0
        self.x_adv = target.x

    def __call__(self) -> None:
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002  # ART draws from the global generator
        self.calls += 1
        self.x_adv = self.run(self.target, self.budget)

    def passes(self) -> tuple[float, float]:
        """Return forward and backward passes per image and run."""
        looks = self.calls * len(self.target.x)
        return self.target.net.forwards / looks, self.target.net.backwards / looks

    def figure(self, pair: Pair, n: int) -> float:
        """Return the median distance of the first n images, or how many of them are successes."""
        x, y = self.target.x[:n], self.target.y[:n]
        x_adv = self.x_adv[:n].detach().float()
        with torch.no_grad():
            labels = self.target.net.net(x_adv.clamp(0, 1)).argmax(1)
        won = labels == self.target.goals[:n] if pair.targeted else labels != y
        won &= (x_adv.clamp(0, 1) - x_adv).flatten(1).abs().amax(1) <= 1e-5
        if pair.norm is None:
            return float(won.double().mean())
        sizes = _sizes(x_adv - x, pair.norm)
        if pair.figure == "distance":
            return float(torch.where(won, sizes, math.inf).median())
        return float((won & (sizes <= self.target.eps[pair.norm] * (1 + 1e-4))).double().mean())


def _sizes(change: Tensor, norm: float) -> Tensor:
    change = change.flatten(1).abs()
    if norm == 0:
        return (change > 1e-6).sum(1).double()
    return torch.linalg.vector_norm(change.double(), norm, dim=1)


def targets(given: Any, folder: Path | None) -> Iterator[tuple[str, Target]]:
    """Yield the networks with as many of their images as the largest batch takes."""
    net, x, y = trained_on_digits(20 if given.smoke else 150)
    yield "digits", _right(net, x, y, given, "digits")
    if folder and not given.smoke:
        net = load_target(folder, PUBLISHED)[0]
        images = first_images("mnist", 2 * given.queries_batch)
        batch = images.batch(torch.arange(len(images)))
        yield PUBLISHED, _right(net, batch.x, batch.y, given, PUBLISHED)


def _right(net: torch.nn.Module, x: Tensor, y: Tensor, given: Any, name: str) -> Target:
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    with torch.no_grad():
        right = net(x).argmax(1) == y
    x, y = x[right][: given.queries_batch], y[right][: given.queries_batch]
    return Target(Counting(net).eval(), x, y, RADII[name])


def by_gradient(pair: Pair, target: Target, rivals: list[Rival], given: Any) -> list[dict]:
    """Return a line per rival; all of them and ours take turns."""
    mine = Trial(pair.ours, target.first(given.batch), given.steps)
    theirs, broken = {}, []
    for rival in rivals:
        trial = Trial(rival.run, target.first(rival.images or given.batch), given.steps)
        try:
            trial()
            theirs[rival.library] = (rival, trial)
        except Exception as error:  # noqa: BLE001  # whatever a peer does wrong is its result
            broken.append(_failed(rival, error))
    works = {OURS: mine} | {name: trial for name, (_, trial) in theirs.items()}
    timings = interleaved(works, given.repeats, warmup=1)
    lines = [
        _line(pair, (mine, timings[OURS]), rival, (trial, timings[name]))
        for name, (rival, trial) in theirs.items()
    ]
    return [*(lines or [_line(pair, (mine, timings[OURS]))]), *broken]


def by_query(pair: Pair, target: Target, rivals: list[Rival], given: Any) -> list[dict]:
    """Return a line per rival, each against ours with as many queries as it spends."""
    lines = []
    for rival in rivals:
        theirs = Trial(
            rival.run, target.first(min(rival.images or INF, given.queries_batch)), given.queries
        )
        try:
            theirs()
        except Exception as error:  # noqa: BLE001  # whatever a peer does wrong is its result
            lines.append(_failed(rival, error))
            continue
        spent = max(round(theirs.passes()[0]), 1)
        budget = rival.queries(given.queries) if rival.queries else spent
        mine = Trial(pair.ours, target.first(given.queries_batch), budget)
        timings = interleaved({OURS: mine, rival.library: theirs}, given.query_repeats, warmup=0)
        lines.append(_line(pair, (mine, timings[OURS]), rival, (theirs, timings[rival.library])))
    if not lines:
        mine = Trial(pair.ours, target.first(given.queries_batch), given.queries)
        lines.append(_line(pair, (mine, interleaved({OURS: mine}, 1, warmup=0)[OURS])))
    return lines


def _failed(rival: Rival, error: Exception) -> dict[str, Any]:
    return {"library": rival.library, "error": f"{type(error).__name__}: {str(error)[:160]}"}


Timed = tuple[Trial, Timing]


def _line(
    pair: Pair, mine: Timed, rival: Rival | None = None, theirs: Timed | None = None
) -> dict[str, Any]:
    """Return one comparison; of ours alone where nobody is there to compare with."""
    line = {f"our_{key}": value for key, value in _seconds(*mine).items()}
    if rival is None or theirs is None:
        return {"library": None, **line, "our_figure": _plain(mine[0].figure(pair, 10**6))}
    line = {"library": rival.library, "alone": rival.alone, **line, **_seconds(*theirs)}
    line["ratio"] = round(line["our_seconds"] / line["seconds"], 4)
    line["per_pass"] = round(line["ratio"] * _all(theirs[0]) / _all(mine[0]), 4)
    seconds = line["our_processor_seconds"] / line["processor_seconds"]
    line["processor_per_pass"] = round(seconds * _all(theirs[0]) / _all(mine[0]), 4)
    n = min(len(mine[0].target.x), len(theirs[0].target.x))
    line["our_figure"] = _plain(mine[0].figure(pair, n))
    line["figure"] = _plain(theirs[0].figure(pair, n))
    return line


def _seconds(trial: Trial, timing: Timing) -> dict[str, Any]:
    """Return seconds and passes per image."""
    n, plain = len(trial.target.x), timing.plain(9)
    forward, backward = trial.passes()
    return {
        "images": n,
        "seconds": plain["median_seconds"] / n,
        "processor_seconds": plain["median_processor_seconds"] / n,
        "forward": round(forward, 2),
        "backward": round(backward, 2),
    }


def _all(trial: Trial) -> float:
    return sum(trial.passes())


def _plain(value: float) -> float:
    return round(value, 5) if math.isfinite(value) else -1.0


def available() -> tuple[list[str], dict[str, str]]:
    """Return the libraries that import, and why the others do not."""
    ready, missing = [], {}
    for library, module in LIBRARIES.items():
        if library == "adv-lib":
            stand_in()
        try:
            importlib.import_module(module)
            ready.append(library)
        except Exception as error:  # noqa: BLE001  # whatever a peer does wrong is its result
            missing[library] = f"{type(error).__name__}: {error}"
    return ready, missing


def run(pairs: list[Pair], ready: list[str], given: Any, folder: Path | None) -> list[dict]:
    """Compare what has not been compared yet; return every row."""
    rows = []
    for name, target in targets(given, folder):
        for pair in pairs:
            file = given.work / name / f"{pair.label.replace(' ', '_').replace(',', '')}.json"
            if not file.is_file():
                rivals = [rival for rival in pair.rivals if rival.library in ready]
                compare = by_gradient if pair.kind == "gradient" else by_query
                lines = compare(pair, target, rivals, given)
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(f".{os.getpid()}")
                part.write_text(json.dumps(lines))
                os.replace(part, file)
                print(name, pair.label, _brief(lines), file=sys.stderr, flush=True)
            about = {"network": name, "attack": pair.label, "kind": pair.kind}
            about["figure_is"] = pair.figure
            rows += [about | line for line in json.loads(file.read_text())]
    return judged(rows)


def _brief(lines: list[dict[str, Any]]) -> str:
    return ", ".join(f"{line['library']} {line.get('per_pass', '-')}" for line in lines)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("--work", type=Path, default=Path("build/speed"), help="rows lie here")
    made.add_argument("--targets", type=Path, help="folder of published networks")
    made.add_argument("--only", nargs="+", help="attacks whose names begin so")
    made.add_argument("--steps", type=int, default=40, help="of gradient attacks")
    made.add_argument("--batch", type=int, default=128, help="of gradient attacks")
    made.add_argument("--queries", type=int, default=1000, help="of the others, about")
    made.add_argument("--queries-batch", type=int, default=256, help="of the others, ours")
    made.add_argument("--repeats", type=int, default=7, help="rounds of gradient attacks")
    made.add_argument("--query-repeats", type=int, default=3, help="rounds of the others")
    given = made.parse_args(arguments)
    if given.smoke:
        given.steps, given.batch, given.queries, given.queries_batch = 2, 16, 20, 16
        given.repeats = given.query_repeats = 1
        given.only = given.only or ["pgd Linf", "fmn L2", "square Linf", "boundary"]
    given.work = given.work.resolve()
    torch.set_num_threads(1)
    pairs = [*fixed_radius(), *nearest(), *by_queries()]
    pairs = [pair for pair in pairs if not given.only or pair.label.startswith(tuple(given.only))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ready, missing = available()
        rows = run(pairs, ready, given, targets_folder(given.targets))
    result = {
        "question": (__doc__ or "").partition("\n")[0],
        "targets": {"over_the_fastest_peer": SLOWEST, "faster_than_one_by_one": TIMES},
        "steps": given.steps,
        "queries": given.queries,
        "not_run": missing,
        "rows": rows,
    } | facts(list(PACKAGES.values()))
    write(given.out, result, page(result))
    return result


if __name__ == "__main__":
    main()
