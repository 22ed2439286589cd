"""Refusal of a suite that the set or the granted knowledge does not fit."""

from __future__ import annotations

from holdfast.attacks.core.advice import MOST, Misfit, fitting, misfit
from holdfast.attacks.core.base import require
from holdfast.components import known
from holdfast.errors import Unsupported, in_words
from holdfast.evaluation.suites import Member, Suite
from holdfast.objective import Objective
from holdfast.threat import Region


def check_suite(
    suite: Suite, members: tuple[Member, ...], objective: Objective, region: Region
) -> None:
    """Refuse a suite with a member that the set or the granted knowledge does not fit.

    Leaving such members out would keep the suite's name without its strength. One that only the
    model at hand cannot answer stays, and fails on every example.
    """
    for member in members:
        if found := misfit(member.attack, objective, region, asked=False):
            why = f"{member.name} of the suite {suite.name} does not fit: {found.why}"
            raise Unsupported(f"{why}: {_other_suite(found, objective, region)}")
    if not any(objective.offers(member.attack.demands().knowledge) for member in members):
        require(members[0].attack, objective, region)  # nothing of the suite could run


def _other_suite(found: Misfit, objective: Objective, region: Region) -> str:
    """Return which suite to take instead: one of ours, or one's own of the attacks that fit."""
    fit = [
        name
        for name, suite in known("suite").items()
        if not any(misfit(m.attack, objective, region, asked=True) for m in suite.members)
    ]
    if fit:
        return f"use the suite {in_words(fit, 'or')}"
    attacks = in_words(fitting(found.part, objective, region)[:MOST])
    own = f"make your own, Suite(name='own', members=...), of {attacks}" if attacks else ""
    return f"no suite of ours does; {own or 'give the attacker a model of its own (surrogate=...)'}"
