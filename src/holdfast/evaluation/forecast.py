"""How long an evaluation will take, measured before it starts."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice

from holdfast.errors import HoldfastError
from holdfast.evaluation.setting import Padded, Setting
from holdfast.evaluation.suites import Member
from holdfast.objective import Objective
from holdfast.rng import own_randomness
from holdfast.threat import Knowledge

TIMED = 2  # points of a search that are timed, after one that warms up


def forecast(setting: Setting) -> float | None:
    """Return the seconds that the suite needs if every example stays unbroken: an upper estimate.

    Times the first points of one attack of each knowledge and multiplies with the passes that
    every member states. None where the model raises under attack: the cascade confines that to the
    examples which cause it.
    """
    batches = -(-len(setting.positions) // setting.batch_size)
    each = seconds_a_batch(setting)
    return None if each is None else batches * each


def seconds_a_batch(setting: Setting) -> float | None:
    """Return the seconds that the suite needs for one batch of which nothing breaks."""
    try:
        return _estimate(setting)
    except HoldfastError:
        raise
    except Exception:  # noqa: BLE001 - whatever somebody's network raises
        return None


def _estimate(setting: Setting) -> float:
    batch = setting.pad(setting.positions[: setting.batch_size])
    pace: dict[Knowledge, float] = {}
    total = 0.0
    for member in setting.answered():
        attack = member.attack
        knowledge = attack.demands().knowledge
        if knowledge not in pace:
            pace[knowledge] = _seconds_a_pass(setting, member, batch)
        passes = sum(attack.passes())
        if member.name in setting.granted:
            passes = min(passes, 2 * setting.granted[member.name])
        total += passes * pace[knowledge]
    return total


def _seconds_a_pass(setting: Setting, member: Member, batch: Padded) -> float:
    """Return what one pass, forward or backward, of a search takes with all that goes with it."""
    threat = replace(setting.threat, queries=None)
    unlimited = replace(setting.within(threat), granted={})
    objective = unlimited.objective(batch, member)
    region = setting.threat.space.around(batch.x)
    with own_randomness(setting.device, setting.seed, "forecast"):
        search = member.attack.iterate(objective, region, setting.rng(batch.ids))
        next(search, None)
        before, began = _passes(objective), time.perf_counter()
        for _ in islice(search, TIMED):
            pass
        seconds = time.perf_counter() - began
    return seconds / max(_passes(objective) - before, 1)


def _passes(objective: Objective) -> int:
    """Return the passes so far of one example."""
    return int(objective.cost.forward[0] + objective.cost.backward[0])
