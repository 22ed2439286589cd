"""The time that an evaluation will take, measured before it starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from holdfast.attacks import Attack
from holdfast.attacks.core.base import keeper, scored, walk_of
from holdfast.components import describe
from holdfast.errors import HoldfastError
from holdfast.evaluation.run.setup import EvaluationSetup, Padded
from holdfast.evaluation.run.stage import CLEAN, confirm
from holdfast.evaluation.suites import Member
from holdfast.objective import Objective
from holdfast.rng import own_randomness

TIMED = 2  # points of a search that are timed at least, after one that warms up
ENOUGH = 0.02  # seconds of timing at least, where a search has so many points


def forecast(setup: EvaluationSetup) -> dict[str, float] | None:
    """Return the seconds that each stage needs for one batch of which nothing breaks.

    Times the first points of one attack of each kind, with all that an evaluation does with them,
    and multiplies with the passes that every member states. None where the model raises under
    attack: the cascade confines that to the examples which cause it.
    """
    try:
        return _estimate(setup)
    except HoldfastError:
        raise
    except Exception:  # noqa: BLE001 - a user's network may raise anything
        return None


def whole(setup: EvaluationSetup, each: dict[str, float]) -> float:
    """Return the seconds of all batches if every example stays unbroken."""
    return -(-len(setup.positions) // setup.batch_size) * sum(each.values())


def _estimate(setup: EvaluationSetup) -> dict[str, float]:
    batch = setup.pad(setup.positions[: setup.batch_size])
    paces: dict[str, tuple[float, float]] = {}
    found = {CLEAN: 0.0}
    for member in setup.answered():
        seconds = 0.0
        for attack in _searches(member.attack):
            kind = _kind(setup, attack)
            if kind not in paces:
                paces[kind] = _timed(setup, replace(member, attack=attack), batch)
            each, end = paces[kind]
            seconds += _passes_of(setup, member, attack) * each + end
            found[CLEAN] = end
        found[member.name] = seconds
    return found


def _searches(attack: Attack) -> Iterator[Attack]:
    """Yield the searches that an attack runs one after the other: its own, or those it is made of.

    A wrapper around one search is timed as a whole.
    """
    inner = [value for value in vars(attack).values() if isinstance(value, Attack)]
    if len(inner) < 2:
        yield attack
        return
    for part in inner:
        yield from _searches(part)


def _kind(setup: EvaluationSetup, attack: Attack) -> str:
    """Return the search that is timed once for an attack: without budget, loss and wrappers.

    A black box may charge for its answers: one search stands for all.
    """
    if setup.judge.box is not None:
        return attack.demands().knowledge.value
    inner = [value for value in vars(attack).values() if isinstance(value, Attack)]
    return _kind(setup, inner[0]) if inner else str(describe(attack)["type"])


def _passes_of(setup: EvaluationSetup, member: Member, attack: Attack) -> int:
    passes = sum(attack.passes())
    share = setup.granted.get(member.name)
    return passes if share is None else min(passes, 2 * share)


def _timed(setup: EvaluationSetup, member: Member, batch: Padded) -> tuple[float, float]:
    """Return the seconds of one pass, forward or backward, of a search, and those of its end."""
    threat = replace(setup.threat, queries=None)
    unlimited = replace(setup.within(threat), granted={})
    objective = unlimited.objective(batch, member)
    region = setup.threat.space.around(batch.x)
    walk = walk_of(member.attack, region)
    kept = keeper(member.attack, objective, region, settle=True)
    with own_randomness(setup.device, setup.seed, "forecast"):
        search = member.attack.iterate(objective, walk, setup.rng(batch.ids), None)
        before, began = 0, time.perf_counter()
        for k, point in enumerate(scored(search, objective, walk, setup.rng(batch.ids))):
            kept.see(point)
            if k == 0:  # the first one warms up
                before, began = _passes(objective), time.perf_counter()
            elif k >= TIMED and time.perf_counter() - began >= ENOUGH:
                break
        passes = _passes(objective) - before  # waits for the device
        seconds, began = time.perf_counter() - began, time.perf_counter()
        confirm(objective, region, kept.result())
        end = time.perf_counter() - began
    return seconds / max(passes, 1), end


def _passes(objective: Objective) -> int:
    """Return the passes so far of one example."""
    return int(objective.cost.forward[0] + objective.cost.backward[0])
