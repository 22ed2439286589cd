"""How many lines does a reader follow through one step, and one call, of PGD?

    python benchmarks/structure/lines.py --out benchmarks/structure/lines.json

Counted with `sys.settrace`, in the library's own files alone (PyTorch and what else it stands on is
left out), at the second call, when imports and caches are there:

- executed a step: line events of a long search minus those of a short one, over the steps between;
- distinct a step: lines that those steps execute at least once;
- distinct a call: lines that one whole call of PGD-10 executes at least once.

A line is one as `ruff format` leaves it: the peers' files are copied and formatted as ours are
before they are imported (where there is no ruff, they are counted as published, and the result says
so). All do the same PGD: Linf, cross-entropy, a random start. `holdfast, search` is the attack
itself, called with an objective; `holdfast` is `hf.attack`, which also checks what it was given and
restores what it touches. Peers are installed as `speed/pgd_vs_peers.py` says, adv-lib in the same
way. Targets: 60 lines executed a step, 300 distinct ones in a search.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "attacks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "speed"))
from common import batch, facts, parser, table, write
from peers import stand_in
from pgd_vs_peers import CONTESTANTS, STEP, Attack

import holdfast as hf
from holdfast.models import build_network
from holdfast.objective import Objective
from holdfast.rng import Rng

OURS, SEARCH = "holdfast", "holdfast, search"
TARGETS = {"executed_per_step": 60, "distinct_per_call": 300}
PACKAGES = {
    OURS: "holdfast",
    "adv-lib": "adv_lib",
    "foolbox": "foolbox",
    "torchattacks": "torchattacks",
    "ART": "art",
    "CleverHans": "cleverhans",
}
INSTALLED = {"ART": "adversarial-robustness-toolbox", "CleverHans": "cleverhans"}
SHORT, LONG, CALL = 2, 34, 10  # steps
EPS = 8 / 255

Lines = Counter[tuple[str, int]]


def traced(work: Callable[[], object], folder: Path) -> Lines:
    """Return how often each line below a folder was executed."""
    lines: Lines = Counter()
    below = f"{folder}/"

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines[frame.f_code.co_filename, frame.f_lineno] += 1
        return inside

    def entered(frame: FrameType, _: str, __: Any) -> Any:
        return inside if frame.f_code.co_filename.startswith(below) else None

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def counted(make: Callable[[int], Callable[[], object]], folder: Path) -> dict[str, float]:
    """Return the figures of the work that `make` returns for a number of steps."""
    works = [make(steps) for steps in (SHORT, LONG, CALL)]
    for work in works:
        work()
    short, long, call = (traced(work, folder) for work in works)
    return {
        "executed_per_step": round((long.total() - short.total()) / (LONG - SHORT), 1),
        "distinct_per_step": sum(times > short[line] for line, times in long.items()),
        "distinct_per_call": len(call),
        "files_per_call": len({name for name, _ in call}),
    }


def ours(x: Tensor, y: Tensor, net: Any) -> dict[str, Callable[[int], Callable[[], object]]]:
    """Return for a number of steps what `hf.attack` does, and what the attack alone does."""
    threat, model = hf.ThreatModel(hf.Linf(eps=EPS)), hf.wrap(net)
    rng = Rng(0, torch.arange(len(x)))

    def pgd(steps: int) -> Any:
        return hf.attacks.PGD(steps=steps, step_size=0.5, loss=hf.losses.CrossEntropy())

    def call(steps: int) -> Callable[[], object]:
        attack = pgd(steps)
        return lambda: hf.attack(net, x, y, threat=threat, attack=attack)

    def search(steps: int) -> Callable[[], object]:
        attack = pgd(steps)
        return lambda: attack(Objective(threat, model, x, y), threat.space.around(x), rng)

    return {OURS: call, SEARCH: search}


def adv_lib(net: Any, eps: float, steps: int) -> Attack:
    from adv_lib.attacks import pgd_linf

    return lambda x, y, _: pgd_linf(
        net,
        x,
        y,
        eps,
        steps=steps,
        random_init=True,
        loss_function="ce",
        absolute_step_size=STEP * eps,
    )


PEERS = {"adv-lib": adv_lib} | {name: CONTESTANTS[name] for name in PACKAGES if name in CONTESTANTS}
del PEERS[OURS]


def formatted(packages: list[str], into: Path) -> bool:
    """Copy packages to a folder that is imported from first, formatted; False without ruff."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        return False
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            shutil.copytree(Path(spec.origin).parent, into / package)
    how = ["--isolated", "--quiet", "--line-length", "100"]
    subprocess.run([ruff, "format", *how, str(into)], check=False)  # what is no Python stays
    sys.path.insert(0, str(into))
    return True


def folder_of(package: str) -> Path:
    """Return where an imported package lies."""
    return Path(str(sys.modules[package].__file__)).parent


def measure(n: int, packages: dict[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return a row for each contestant, and why the others have none."""
    x, y = batch((1, 8, 8), n)
    net = build_network({"type": "mlp", "hidden": [32]}, (1, 8, 8), 10).eval()
    rows, missing = [], {}
    for name, make in ours(x, y, net).items():
        rows.append({"library": name, **counted(make, folder_of("holdfast"))})
    stand_in()
    for name, peer in PEERS.items():
        try:

            def make(steps: int, peer: Any = peer) -> Callable[[], object]:
                attack = peer(net, EPS, steps)
                return lambda: attack(x, y, 0)

            make(CALL)()  # which imports it
            rows.append({"library": name, **counted(make, folder_of(packages[name]))})
        except Exception as error:  # noqa: BLE001  # whatever a peer does wrong is its result
            missing[name] = f"{type(error).__name__}: {error}"
    return rows, missing


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    made = parser(__doc__, Path(__file__).with_suffix(".json"))
    made.add_argument("--batch", type=int, default=128)
    given = made.parse_args(arguments)
    if given.smoke:
        given.batch = 4
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        theirs = [package for name, package in PACKAGES.items() if name != OURS]
        same = formatted([] if given.smoke else theirs, Path(folder))
        rows, missing = measure(given.batch, PACKAGES)
    result: dict[str, Any] = {
        "question": (__doc__ or "").partition("\n")[0],
        "targets": TARGETS,
        "peers_formatted": same and not given.smoke,
        "not_run": missing,
        "rows": rows,
    } | facts([INSTALLED.get(name, name) for name in PEERS])
    write(given.out, result, page(result))
    return result


def page(result: dict[str, Any]) -> str:
    header = ["library", "executed a step", "distinct a step", "distinct a call", "files a call"]
    lines = [[str(value) for value in row.values()] for row in result["rows"]]
    versions = ", ".join(f"{name} {found}" for name, found in result["packages"].items() if found)
    step, call = result["targets"].values()
    text = (
        f"{result['question']} Targets: {step} lines executed a step, {call} distinct ones in a "
        f"search. {versions}."
    )
    for who, reason in result["not_run"].items():
        text += f"\n\nNot run: {who} ({reason})."
    return f"{text}\n\n{table(header, lines)}"


if __name__ == "__main__":
    main()
