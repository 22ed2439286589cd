"""Refusals of an attack that does not fit, each with the attacks that would fit best."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from holdfast.components import describe, known
from holdfast.objective import Objective, refusal
from holdfast.spaces.catalog import fits, works_in
from holdfast.threat import Capability, Knowledge, Normed, Region

MOST = 5  # attacks that a refusal proposes
_KNOWLEDGE = list(Knowledge)

WHOLE = ("exhaustive", "grid")  # where they fit they try all of the set, and need labels alone

# First proposals, of the attacks that fit: those made for few sets, then the strong and
# well-known ones, then the rest by name.
FIRST = (
    *WHOLE, "leap", "stadv", "sparse_rs",
    "apgd", "pgd", "square", "hopskipjump", "fmn", "deepfool", "fab", "ddn", "cw",
    "sigma_zero", "jsma", "ead", "alma", "gama", "multi_targeted",
    "nes", "signhunter", "spsa", "bandits", "simba", "one_pixel",
    "rays", "geoda", "surfree", "sign_opt", "boundary", "random_search",
)  # fmt: skip


class Misfit(NamedTuple):
    """The reason why an attack does not fit; `part`: the one that does not, of a composed one."""

    why: str
    part: Any


def misfit(attack: Any, objective: Objective, region: Region, *, asked: bool) -> Misfit | None:
    """Return why an attack does not fit the granted knowledge or the set; None if it does.

    asked: whether the model at hand must be able to answer it, too.
    """
    may = objective.grants if asked else objective.permits
    need = attack.demands().knowledge
    if not may(need):
        why = refusal(objective.search)
        if not objective.permits(need):
            why = f"the threat model grants {objective.threat.knowledge!s}"
        part = _culprit(attack, lambda one: one.demands().knowledge is need)
        return Misfit(f"{_label(part, attack)} needs {need!s} knowledge, {why}", part)
    lacking = _lacking(attack, region)
    if not lacking:
        return None
    part = _culprit(attack, lambda one: _lacking(one, region) == lacking)
    return Misfit(works_in(_label(part, attack), _needs(part), objective.threat.space), part)


def instead(attack: Any, objective: Objective, region: Region) -> str:
    """Return attacks to use in place of one."""
    found = fitting(attack, objective, region)
    if not found:
        return "nothing here fits: give the attacker a model of its own (surrogate=...)"
    more = f" ({len(found)} fit; holdfast list attack)" if len(found) > MOST else ""
    return f"use {'one of ' * (len(found) > 1)}{', '.join(found[:MOST])}{more}"


def fitting(attack: Any, objective: Objective, region: Region) -> list[str]:
    """Return the names of the attacks that fit, those most like `attack` first."""
    demands = attack.demands()
    wanted = _KNOWLEDGE.index(demands.knowledge)

    def unlikeness(name: str) -> tuple[Any, ...]:
        other = found[name]
        sees = _KNOWLEDGE.index(other.knowledge)
        rank = FIRST.index(name) if name in FIRST else len(FIRST)
        fitted = other.knowledge is Knowledge.TRANSFER  # found elsewhere before
        how = (abs(sees - wanted), sees, other.nearest is not demands.nearest)
        return name not in WHOLE, fitted, *how, rank, name

    if not (objective.grants(Knowledge.SCORE) or objective.grants(Knowledge.DECISION)):
        return []  # nothing can be asked
    alone = {n: made for n, cls in known("attack").items() if (made := _alone(cls)) is not None}
    lacking = {
        need for need in set().union(*map(_needs, alone.values())) if not fits(region, (need,))
    }
    found = {
        name: other.demands()
        for name, other in alone.items()
        if objective.grants(other.demands().knowledge) and lacking.isdisjoint(_needs(other))
    }
    return sorted(found, key=unlikeness)


def _needs(attack: Any) -> tuple[Capability, ...]:
    demands = attack.demands()
    return (*demands.needs, Normed) if demands.nearest else tuple(demands.needs)


def _lacking(attack: Any, region: Region) -> set[Capability]:
    return {need for need in _needs(attack) if not fits(region, (need,))}


@lru_cache
def _alone(cls: Any) -> Any:
    """Return an attack with its defaults; None for one that another attack is needed to make."""
    for field in dataclasses.fields(cls):
        if field.default is field.default_factory is dataclasses.MISSING or _is_attack(
            field.default
        ):
            return None
    return cls()


def _is_attack(value: Any) -> bool:
    return getattr(value, "kind", None) == "attack"


def _culprit(attack: Any, same: Callable[[Any], bool]) -> Any:
    """Return the innermost attack of a composed one that lacks the same."""
    for field in dataclasses.fields(attack):
        part = getattr(attack, field.name)
        if _is_attack(part) and same(part):
            return _culprit(part, same)
    return attack


def _label(part: Any, attack: Any) -> str:
    inside = "" if part is attack else f", in {describe(attack)['type']},"
    return f"{describe(part)['type']}{inside}"
