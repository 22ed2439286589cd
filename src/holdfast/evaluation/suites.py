"""Named, versioned sets of attacks: another budget takes another name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from holdfast.arguments import checked
from holdfast.attacks import (
    APGD,
    NES,
    PGD,
    Attack,
    EachTarget,
    GeoDA,
    HopSkipJump,
    Restart,
    SignHunter,
    Square,
    TargetRank,
    WarmStart,
)
from holdfast.claims.suites import is_ours, is_reserved
from holdfast.components import ADDED, digest, known, register, unknown
from holdfast.errors import ConfigError
from holdfast.losses import DLR, CrossEntropy, Margin
from holdfast.plugins import load_plugins
from holdfast.units import Within


@dataclass(frozen=True, kw_only=True)
class Member:
    """One attack of a suite, under the name by which claims and reports call it.

    weight: its share of a query budget, next to those of the other members.
    """

    kind: ClassVar[str] = "member"
    name: str
    attack: Attack
    weight: Annotated[int, Within(1, 1_000_000)] = field(default=1, metadata=ADDED)

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for an attack without a name."""
        return "write Member(name='a', attack=...)" if isinstance(value, Attack) else None


register("member", name="member")(Member)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Attacks in the order in which they run, cheap ones first; the worst case of all counts."""

    kind: ClassVar[str] = "suite_definition"
    name: str
    members: tuple[Member, ...]

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for attacks alone, which lack a name."""
        alone = isinstance(value, Attack | list | tuple)
        return "write Suite(name='own', members=(Member(name='a', attack=...),))" if alone else None

    def parts(self, num_classes: int) -> tuple[Member, ...]:
        """Return the members with composed attacks taken apart, each dropping its breaks.

        Runs towards the r-th likeliest wrong class make sense for r below `num_classes` only.
        Raises ConfigError for a suite without members, or with two of one name.
        """
        found = [part for _, parts in self.taken_apart(num_classes) for part in parts]
        names = ["clean", *(member.name for member in found)]
        if len(names) == 1 or len(set(names)) < len(names):
            raise ConfigError(
                f"suite {self.name} needs members with names of their own other than 'clean', "
                f"got {', '.join(names[1:]) or 'none'}"
            )
        return tuple(found)

    def taken_apart(self, num_classes: int) -> list[tuple[Member, list[Member]]]:
        """Return every member with its parts."""
        found = []
        for member in self.members:
            attacks = [part for part in member.attack.parts() if _has_target(part, num_classes)]
            only = len(attacks) == 1
            parts = [
                Member(name=member.name if only else f"{member.name}-{i}", attack=attack)
                for i, attack in enumerate(attacks, start=1)
            ]
            found.append((member, parts))
        return found


def _has_target(attack: Attack, num_classes: int) -> bool:
    while isinstance(attack, Restart):
        attack = attack.attack
    return not isinstance(attack, TargetRank) or attack.rank < num_classes


register("suite_definition", name="suite")(Suite)


QUICK_1 = Suite(
    name="quick-1",
    members=(
        Member(name="pgd-margin", attack=PGD(steps=10, step_size=0.25, loss=Margin())),
        Member(name="apgd-ce", attack=APGD(steps=20, loss=CrossEntropy())),
        Member(name="apgd-t", attack=EachTarget(attack=APGD(steps=20, loss=DLR()), top=3)),
        Member(name="square", attack=Square(queries=200)),
    ),
)
"""Minutes instead of hours: for development, not for a table in a paper."""

STANDARD_1 = Suite(
    name="standard-1",
    members=(
        Member(name="pgd-margin", attack=PGD(steps=10, step_size=0.25, loss=Margin())),
        Member(name="apgd-ce", attack=APGD(steps=100, loss=CrossEntropy())),
        Member(name="apgd-dlr", attack=APGD(steps=100, loss=DLR())),
        Member(name="apgd-t", attack=EachTarget(attack=APGD(steps=100, loss=DLR()), top=9)),
        Member(name="square", attack=Square(queries=5000)),
        Member(
            name="square-apgd",
            attack=WarmStart(first=Square(queries=2000), then=APGD(loss=Margin())),
        ),
    ),
)
"""The parameter-free ensemble of Croce and Hein (2020, arXiv:2003.01690, sec. 5) with untargeted
APGD on DLR and, in place of FAB, a climb from where a random search ended; behind a cheap first
attack that spares the strong ones most work."""

SCORE_1 = Suite(
    name="score-1",
    members=(
        Member(name="square", attack=Square(queries=5000)),
        Member(name="signhunter", attack=SignHunter(queries=5000)),
        Member(name="nes", attack=NES(queries=5000)),
    ),
)
"""For a target that gives scores and no gradient: a random search, one over blocks of signs that
also serves models that answer in steps, as trees do, and an estimated gradient; in Linf and L2."""

DECISION_1 = Suite(
    name="decision-1",
    members=(
        Member(name="hopskipjump", attack=HopSkipJump(queries=5000)),
        Member(name="geoda", attack=GeoDA(queries=5000)),
    ),
)
"""For a target that gives labels alone; in Linf and L2."""

for _suite in (QUICK_1, STANDARD_1, SCORE_1, DECISION_1):
    register("suite")(_suite)


@checked
def get_suite(name: str | Suite) -> Suite:
    """Return the suite called `name`; without a version ("standard") the newest one.

    Raises ConfigError for an unknown name, with the nearest known one, and for a suite that takes
    a name of ours for other attacks.
    """
    suite = _registered(name) if isinstance(name, str) else name
    if _borrows(suite):
        raise ConfigError(
            f"the suite name {suite.name!r} stands for other attacks: give yours another name"
        )
    return suite


def _registered(name: str) -> Suite:
    """Return the suite of that name, else the newest version of it; plug-ins may have it."""
    found = _newest(name)
    if found is None:
        load_plugins()
        found = _newest(name)
    if found is None:
        suites = known("suite")
        shorts = {label.rsplit("-", 1)[0] for label in suites}
        raise ConfigError(f"unknown suite {name!r}{unknown('suite', name, {*suites, *shorts})}")
    return found


def _newest(name: str) -> Suite | None:
    suites: dict[str, Suite] = known("suite")
    if name in suites:
        return suites[name]
    versions = {
        int(label.rsplit("-", 1)[1]): suite
        for label, suite in suites.items()
        if re.fullmatch(rf"{re.escape(name)}-\d+", label) and not _borrows(suite)
    }
    return versions[max(versions)] if versions else None


def _borrows(suite: Suite) -> bool:
    """Return True for a suite of other attacks under a name of ours, in whatever version."""
    return is_reserved(suite.name) and not is_ours(suite.name, digest(suite))
