"""Bounds on the entries, breaks and costs of the stages of a claim.

Passes were spent where the claim was made and cannot be counted again. What can be recomputed is
who entered each stage, from who broke whom, and between which bounds the cost of a stage lies: its
attack states a formula, and whom it did not break it paid for in full.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from holdfast.attacks.core.shares import REFERENCE
from holdfast.claims import Claim
from holdfast.claims.contents import SHOWN
from holdfast.evaluation.record.claim_document import cost
from holdfast.evaluation.run.setup import FINISHER, EvaluationSetup
from holdfast.evaluation.run.stage import CLEAN
from holdfast.evaluation.run.waterfall import Bar
from holdfast.evaluation.suites import Member
from holdfast.threat import Status

VERDICT = 1  # forward passes beyond an attack's formula: the judge's pass over its result
_SPENT = ("forward", "backward", "queries")


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Counts of a claim that its stages are compared with, made once for all stages.

    concerned: examples that attacks may look at. survivors: those of them that are unbroken. ties:
    by who found them. radii: see `_radii`.
    """

    n: int
    concerned: int
    survivors: int
    ties: Counter[str | None]
    radii: int


def _known(claim: Claim, setup: EvaluationSetup) -> _Known:
    table, here = claim.per_example, concerned(claim, setup)
    statuses = table["status"]
    return _Known(
        n=len(table),
        concerned=sum(here),
        survivors=sum(
            status == Status.UNBROKEN and mine for status, mine in zip(statuses, here, strict=True)
        ),
        ties=Counter(row.broken_by for row in table if row.status == Status.MARGINAL),
        radii=_radii(claim, setup),
    )


def stages_fit(claim: Claim, setup: EvaluationSetup) -> bool:
    """Return True if the waterfall can be that of the per-example table and of the suite."""
    table, document = claim.per_example, claim.document
    bars = [Bar(**bar) for bar in document["waterfall"]]
    by = Counter(row.broken_by for row in table if row.status == Status.BROKEN)
    by[CLEAN] = table["status"].count(Status.CLEAN_WRONG)
    members = [*setup.members, *setup.finishers()]
    known = _known(claim, setup)
    return (
        [bar.name for bar in bars] == [CLEAN, *(member.name for member in members)]
        and all(_is_counted(bar) for bar in bars)
        and +by == Counter({bar.name: bar.broken for bar in bars})
        and _clean_fits(bars[0], known)
        and _entered_fits(bars[1:], known, setup)
        and all(_found_fits(bar, known, setup) for bar in bars[1:])
        and all(_cost_fits(*pair, known, setup) for pair in zip(bars[1:], members, strict=True))
        and document["cost"] == cost(bars)
    )


def names_fit(claim: Claim) -> bool:
    """Return True if those that an input stands behind name a member and a size, and no others."""
    members = {member["name"] for member in claim.document["suite"]["members"]}
    return all(
        (row.broken_by in members and row.size is not None)
        if row.status in SHOWN
        else (row.broken_by is None and row.size is None)
        for row in claim.per_example
    )


def curve_cost_fits(claim: Claim, setup: EvaluationSetup) -> bool:
    """Return True if the radii that count at the claim's own cost the same, others no more.

    A point of a curve costs at most as much as the whole suite on every example.
    """
    document, own = claim.document, setup.threat.space.radius
    curve = document["curve"]
    if not curve:
        return True
    parts = [
        point["cost"]
        for point in curve
        if point["radius"] == own or (point["radius"] < own and setup.carries)
    ]
    n = len(claim.per_example)
    most = _at_most(setup, n)
    return (
        all(_is_cost(point["cost"]) for point in curve)
        and all(sum(part[k] for part in parts) == document["cost"][k] for k in _SPENT)
        and math.isclose(
            sum(part["seconds"] for part in parts), document["cost"]["seconds"], rel_tol=1e-6
        )
        and all(n <= point["cost"]["forward"] <= most[0] for point in curve)
        and all(point["cost"]["backward"] <= most[1] for point in curve)
        and all(point["cost"]["queries"] <= most[0] for point in curve)
    )


def concerned(claim: Claim, setup: EvaluationSetup) -> list[bool]:
    """Return which examples, in the table's order, the goal concerns and the clean pass left."""
    goal = setup.threat.goal.applies(torch.tensor(claim.per_example["label"])).tolist()
    right = [status != Status.CLEAN_WRONG for status in claim.per_example["status"]]
    return [a and b for a, b in zip(goal, right, strict=True)]


def _radii(claim: Claim, setup: EvaluationSetup) -> int:
    """Return at how many radii the claim's own cost was spent: the curve's up to its own.

    With a query budget it is one, unless a search gives the outcome at every radius.
    """
    own = setup.threat.space.radius
    smaller = sum(point["radius"] < own for point in claim.document["curve"])
    return 1 + smaller if setup.carries else 1


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_cost(spent: dict[str, Any]) -> bool:
    seconds = spent["seconds"]
    return (
        set(spent) == {*_SPENT, "seconds"}
        and all(_is_count(spent[key]) for key in _SPENT)
        and isinstance(seconds, int | float)
        and 0 <= seconds < math.inf
    )


def _is_counted(bar: Bar) -> bool:
    counts = (bar.entered, bar.broken, bar.marginal, bar.failed)
    spent = {key: getattr(bar, key) for key in (*_SPENT, "seconds")}
    return all(_is_count(count) for count in counts) and _is_cost(spent)


def _clean_fits(bar: Bar, known: _Known) -> bool:
    """Compare with the table; inputs that tie are among the wrong ones."""
    n = known.n
    said = (bar.entered, bar.alone, bar.failed, bar.backward, bar.queries)
    spent = bar.forward == n * known.radii
    return said == (n, None, 0, 0, 0) and bar.marginal <= bar.broken and spent


def _entered_fits(bars: Sequence[Bar], known: _Known, setup: EvaluationSetup) -> bool:
    """Compare the points that entered with those that the stages before left.

    With smaller radii, those who were tied there count where they entered then, although they may
    be broken earlier at the claim's own: the number is a lower bound. Those that run again in full
    precision look at the doubtful alone.
    """
    everyone = left = known.concerned
    again = {member.name for member in setup.finishers()}
    for bar in bars:
        most = everyone if setup.exhaustive or known.radii > 1 else left
        least = bar.broken if bar.name in again else everyone if setup.exhaustive else left
        if not least <= bar.entered <= most:
            return False
        left -= bar.broken
    return True


def _found_fits(bar: Bar, known: _Known, setup: EvaluationSetup) -> bool:
    """Compare the breaks that a stage states with the table."""
    alone = _is_count(bar.alone) and (bar.alone or 0) <= bar.broken
    return (
        bar.broken + bar.marginal + bar.failed <= bar.entered
        and known.ties[bar.name] <= bar.marginal
        and (alone if setup.exhaustive else bar.alone is None)
    )


def _cost_fits(bar: Bar, member: Member, known: _Known, setup: EvaluationSetup) -> bool:
    """Compare the passes of a stage with its attack's formula.

    Every example that it did not fail on had a pass at least, and one that is unbroken to the end
    all of them, where the formula is exact and no budget of queries ends the search before.
    """
    forward, backward = member.attack.passes()
    entries = bar.entered + (known.radii - 1) * known.concerned
    exact = "at most" not in member.attack.cost() and setup.threat.queries is None
    full = 0 if bar.name.endswith(FINISHER) or not exact else max(0, known.survivors - bar.failed)
    return (
        max(full * forward, bar.entered - bar.failed) <= bar.forward
        and bar.forward <= entries * (forward + VERDICT + REFERENCE)
        and bar.backward <= entries * backward
        and bar.queries <= bar.forward
        and bar.queries <= entries * _share(member, setup, forward + REFERENCE)
    )


def _share(member: Member, setup: EvaluationSetup, unlimited: int) -> int:
    """Return the queries per example of one run of a member."""
    return setup.granted.get(member.name, 0 if setup.granted else unlimited)


def _at_most(setup: EvaluationSetup, n: int) -> tuple[int, int]:
    """Return the forward and backward passes of the whole suite on n examples."""
    members = [*setup.members, *setup.finishers()]
    passes = [member.attack.passes() for member in members]
    forward = n + n * sum(forward + VERDICT + REFERENCE for forward, _ in passes)
    return forward, n * sum(backward for _, backward in passes)
