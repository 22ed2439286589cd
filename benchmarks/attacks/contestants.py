"""What is attacked and how: one task, the search over radii, and our own attacks from the registry.

A contestant is a function of a task that returns the attacked images, or None. Attacks of one fixed
radius run as a search of ten radii per image, each with a tenth of the budget (AttackBench).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from counting import Counted
from torch import Tensor

import holdfast as hf
from holdfast.attacks import APGD, Attack, EachTarget, MultiEps, RadiusSearch
from holdfast.components import known
from holdfast.losses import DLR, CrossEntropy, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces.catalog import fits
from holdfast.threat import Knowledge

NORMS = (0.0, 1.0, 2.0, math.inf)
RADII = 10  # of a search
FIRST = {0.0: 10.0, 1.0: 10.0, 2.0: 1.0, math.inf: 0.1}  # the radius that it begins with
CLASSES = 3  # that a targeted attack tries, here and at the peers

# Attacks with a radius that are not searched: made for transfer, of one step, or PGD once more.
# What is made of other attacks is left out, too.
NOT_SEARCHED = {"admix", "bim", "difgsm", "diverse", "mifgsm", "nifgsm", "sinifgsm", "tifgsm"}
NOT_SEARCHED |= {"vmifgsm", "vnifgsm", "fgsm", "rfgsm", "warm_start"}
# Settings other than steps that the budget calls for.
SEARCHES: dict[str, dict[str, Any]] = {
    "cw": {"binary_search_steps": 6},
    "cw_l0": {"binary_search_steps": 20},
    "cw_linf": {"binary_search_steps": 10, "learning_rate": 0.1},
    "ead": {"binary_search_steps": 3},
}


@dataclass(frozen=True)
class Task:
    """One network behind its budget, in one norm, and the images: all of them, or those at rows."""

    model: Counted
    norm: float
    budget: int
    rows: Tensor | None = None

    @property
    def x(self) -> Tensor:
        return self.model.x if self.rows is None else self.model.x[self.rows]

    @property
    def y(self) -> Tensor:
        return self.model.y if self.rows is None else self.model.y[self.rows]


Run = Callable[[Task], Tensor | None]
AtRadius = Callable[[Task, Tensor, int], Tensor]  # task, radii (n,), budget of this run


@dataclass(frozen=True)
class Contestant:
    """An attack with the norms that it can do, and how it gets its radius."""

    pool: str
    name: str
    norms: tuple[float, ...]
    run: Run
    kind: str = "minimum norm"  # or "search", or "search, one radius a call"

    @property
    def label(self) -> str:
        return f"{self.pool}: {self.name}"


def searched(run: AtRadius, *, alone: bool = False) -> Run:
    """Return the search over radii of an attack that has one."""
    return lambda task: search(one_by_one(run) if alone else run, task)


def search(run: AtRadius, task: Task) -> Tensor:
    """Try ten radii per image: doubled until one works, then halfway between.

    What works is known from everything that the model was asked, so a radius is never larger than
    the nearest counterexample. Returns the nearest of the returned counterexamples.
    """
    model = task.model
    radius = torch.full((len(task.x),), FIRST[task.norm])
    low = torch.zeros_like(radius)
    best, best_size = task.x.clone(), torch.full_like(radius, math.inf)
    for _ in range(RADII):
        x_adv = run(task, radius, task.budget // RADII)
        size = model.verdict(x_adv)
        best = torch.where((size < best_size)[:, None, None, None], x_adv, best)
        best_size = torch.minimum(best_size, size)
        high = torch.minimum(model.nearest, best_size)
        won = high <= radius * (1 + 1e-5)
        low = torch.minimum(torch.where(won, low, torch.maximum(low, radius)), high)
        radius = torch.where(high.isinf(), 2 * radius, (low + high) / 2)
        if task.norm == 0:
            radius = torch.where(high.isinf(), radius, torch.minimum(radius, high - 1))
            radius = radius.floor().clamp_min(1)
    return best


def one_by_one(run: AtRadius) -> AtRadius:
    """Return an attack that takes one radius for a batch as one that takes a radius per image.

    Images of the same radius are attacked together.
    """

    def split(task: Task, radius: Tensor, budget: int) -> Tensor:
        x_adv = task.x.clone()
        for value in radius.unique():
            rows = (radius == value).nonzero().squeeze(1)
            task.model.among = rows
            x_adv[rows] = run(replace(task, rows=rows), radius[rows], budget)
        task.model.among = torch.arange(len(task.x))
        return x_adv

    return split


def space(norm: float) -> Any:
    """Return our set of this norm; the radius is given later."""
    kinds: dict[float, Any] = {0.0: hf.L0, 1.0: hf.L1, 2.0: hf.L2, math.inf: hf.Linf}
    return kinds[norm](eps=1 if norm == 0 else FIRST[norm])


def ours(attack: Attack, task: Task, radius: Tensor | None = None) -> Tensor:
    """Run one of our attacks; return what it returns."""
    threat = hf.ThreatModel(space(task.norm))
    objective = Objective(threat, hf.wrap(task.model), task.x, task.y)
    region = threat.space.around(task.x, radius)
    return attack(objective, region, Rng(0, torch.arange(len(task.x)))).x_adv


def fitted(make: Callable[..., Attack], budget: int, **given: Any) -> Attack:
    """Return the attack with as many steps (or queries) as the budget of passes allows."""
    names = {field.name for field in dataclasses.fields(make)}  # type: ignore[arg-type]
    if "queries" in names:
        return make(queries=budget, **given)
    if "steps" not in names:
        return make(**given)
    least, most = 1, budget + 1
    while most - least > 1:
        middle = (least + most) // 2
        if sum(make(steps=middle, **given).passes()) <= budget:
            least = middle
        else:
            most = middle
    return make(steps=least, **given)


def our_pool() -> list[Contestant]:
    """Return every registered attack that looks for the nearest, and searches over radii."""
    found = []
    for name, cls in known("attack").items():
        if getattr(cls, "nearest", False):
            found.append(Contestant("holdfast", name, _norms(cls), _nearest(name, cls)))
        elif _searchable(name, cls):
            settings = _losses() if name == "apgd" else [("", {})]
            found += [_search(f"{name}{label}", cls, given) for label, given in settings]
    made_of = {"apgd-t": _targeted, "multi_eps": _narrowing}
    found += [
        Contestant("holdfast", n, _norms(APGD), searched(r), "search") for n, r in made_of.items()
    ]
    return [*found, Contestant("holdfast", "radius search", _norms(APGD), _radius_search)]


def _searchable(name: str, cls: type[Attack]) -> bool:
    made_of_others = "attack" in {field.name for field in dataclasses.fields(cls)}
    return not (made_of_others or name in NOT_SEARCHED) and cls.knowledge is Knowledge.GRADIENT


def _norms(cls: type[Attack]) -> tuple[float, ...]:
    """Return the norms whose sets can do what the attack needs."""
    regions = {norm: space(norm).around(torch.zeros(1, 1, 28, 28)) for norm in NORMS}
    return tuple(n for n, r in regions.items() if fits(r, cls.needs))


def _losses() -> list[tuple[str, dict[str, Any]]]:
    return [
        ("", {}),
        (" ce", {"loss": CrossEntropy()}),
        (" dlr", {"loss": DLR()}),
        (" margin", {"loss": Margin()}),
    ]


def _nearest(name: str, cls: type[Attack]) -> Run:
    return lambda task: ours(fitted(cls, task.budget, **SEARCHES.get(name, {})), task)


def _search(label: str, cls: type[Attack], given: dict[str, Any]) -> Contestant:
    def run(task: Task, radius: Tensor, budget: int) -> Tensor:
        return ours(fitted(cls, budget, **given), task, radius)

    return Contestant("holdfast", label, _norms(cls), searched(run), "search")


def _targeted(task: Task, radius: Tensor, budget: int) -> Tensor:
    attack = fitted(APGD, budget // CLASSES, loss=DLR())
    return ours(EachTarget(attack=attack, top=CLASSES), task, radius)


def _narrowing(task: Task, radius: Tensor, budget: int) -> Tensor:
    return ours(_narrow(budget), task, radius)


def _radius_search(task: Task) -> Tensor:
    inner = _narrow(task.budget // RADII)
    return ours(RadiusSearch(attack=inner, first=FIRST[task.norm], radii=RADII), task)


def _narrow(budget: int) -> MultiEps:
    runs = len(MultiEps().radii)  # each has one look more than gradients
    return MultiEps(attack=APGD(steps=max((budget - runs) // 2, 1), loss=Margin()))
