"""Shares of a query budget: the attacker's total per example, over all that a suite does to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.attacks.core.shares import REFERENCE, split
from holdfast.errors import InputError
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.suites import Member
from holdfast.objective import offered
from holdfast.threat import Knowledge


def granted(setup: EvaluationSetup) -> dict[str, int]:
    """Return the queries per example of every member that asks the judge, by name; {} if unlimited.

    They do not depend on the radii of a curve: a claim must not get better by asking for more.
    """
    total = setup.threat.queries
    if total is None:
        return {}
    finishers = {member.attack: member for member in setup.finishers()}
    requests = []
    for member, parts in setup.suite.taken_apart(setup.num_classes):
        again = [finishers[part.attack] for part in parts if part.attack in finishers]
        for part in (*parts, *again):
            if not _asks_judge(setup, part):
                continue
            most = part.attack.passes()[0] + REFERENCE
            requests.append(Request(part.name, member.name, member.weight, most))
    return shares(total, requests) if requests else {}


def _asks_judge(setup: EvaluationSetup, member: Member) -> bool:
    """Return True if a search's passes are queries of the judge, in any precision.

    Where the claim has a surrogate, also one that is not at hand, gradients are that one's.
    """
    if setup.about_twin is None:
        return setup.can_run(member)
    needed = member.attack.demands().knowledge
    own = setup.threat.knowledge is not Knowledge.TRANSFER and needed is not Knowledge.GRADIENT
    return own and offered(setup.judge).grants(needed)


@dataclass(frozen=True)
class Request:
    """The queries that one search may use per example.

    member: the member of the suite to which the search belongs. weight: of that member. most: the
    queries that the search can use at all.
    """

    name: str
    member: str
    weight: int
    most: int


def shares(total: int, requests: Sequence[Request]) -> dict[str, int]:
    """Return the queries per example that every search may spend, by name.

    The members of a suite get shares by their weights, and split them equally over their searches.
    The unused rest of a search goes to the others; a remainder to the first.
    All shares follow from the suite alone, so the budget of an example depends on no other
    example. Raises InputError where a share is less than one query.
    """
    by_member: dict[str, list[Request]] = {}
    for request in requests:
        by_member.setdefault(request.member, []).append(request)
    groups = list(by_member.values())
    whole = split(
        total,
        [group[0].weight for group in groups],
        [sum(request.most for request in group) for group in groups],
    )
    found: dict[str, int] = {}
    for share, group in zip(whole, groups, strict=True):
        given = split(share, [1] * len(group), [request.most for request in group])
        found |= {request.name: part for request, part in zip(group, given, strict=True)}
    if poor := [name for name, share in found.items() if share < 1]:
        raise InputError(
            f"a budget of {total:,} queries leaves {poor[0]} none: the suite searches "
            f"{len(requests)} times per example; grant more, or choose a suite of fewer attacks"
        )
    return found
