"""Comparison of models on the same data: paired where the points are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from holdfast.claims import Accuracy, Claim
from holdfast.claims.wording import failed_checks
from holdfast.printable import shortened
from holdfast.reporting.differences import (
    Difference,
    Pairs,
    holm,
    mcnemar,
    paired_difference,
    score_test,
    unpaired_difference,
)
from holdfast.reporting.spelling import percent
from holdfast.threat import Status

LONGEST = 60  # characters of a name in a sentence
LEVEL = 0.05  # of the test, after Holm's correction
ABOUT = (
    "Differences between upper bounds: a stronger attack may move either. Each interval is at 95 % "
    "for its own pair ({intervals}); p is of {tests}{corrected}."
)


@dataclass(frozen=True)
class Comparison:
    """Two models on the same data, the one that kept more points first."""

    first: int  # place among the claims
    second: int
    names: tuple[str, str]
    robust: Difference  # in the share of points that no attack broke
    clean: Difference  # in clean accuracy
    p: float  # of equal shares of points not broken, adjusted for the number of comparisons
    paired: bool
    kept: tuple[Accuracy, Accuracy]

    @property
    def apart(self) -> bool:
        """True if the test tells the two apart."""
        return self.p < LEVEL

    @property
    def verdict(self) -> str:
        """The outcome of the test, with its p-value."""
        return f"{'told apart' if self.apart else 'not told apart'}, {p_value(self.p)}"

    @property
    def sentence(self) -> str:
        """The finding in words."""
        first, second = (shortened(name, LONGEST) for name in self.names)
        one, other = self.kept
        if self.apart:
            more = f"{100 * self.robust.value:.1f} points more than {second}"
            return f"{first} keeps {percent(one.value)}, {more} {self.robust.interval}."
        return (
            f"{first} and {second} are not told apart: {percent(one.value)} and "
            f"{percent(other.value)}, a difference of {self.robust}."
        )


def obstacles(claims: Sequence[Claim]) -> str:
    """Return the difference between the claims that forbids a comparison, "" if there is none."""
    asked: dict[str, set[Any]] = {"threat model": set(), "data": set(), "suite": set()}
    for claim in claims:
        document = claim.document
        asked["threat model"].add(document["threat_digest"])
        asked["data"].add(document["data"]["fingerprint"])
        asked["suite"].add(document["suite"]["digest"])
    different = [name for name, values in asked.items() if len(values) > 1]
    if not different:
        return ""
    return f"These claims differ in {' and '.join(different)}: their numbers must not be ranked."


def compare(claims: Sequence[Claim], names: Sequence[str]) -> tuple[Comparison, ...]:
    """Return the comparison of every two claims on the same data, the best with the next first.

    A claim whose robust accuracy is withheld or unreliable is left out.
    """
    numbers = [_number(claim) for claim in claims]
    sound = {i: number for i, number in enumerate(numbers) if number is not None}
    pairs = list(combinations(sorted(sound, key=lambda i: -sound[i].value), 2))
    points = {i: _points(claims[i]) for i in sound}
    found = [_pair(points[i], points[j]) for i, j in pairs]
    adjusted = holm([p for _, _, p, _ in found])
    return tuple(
        Comparison(
            first=i,
            second=j,
            names=(names[i], names[j]),
            robust=robust,
            clean=clean,
            p=p,
            paired=paired,
            kept=(sound[i], sound[j]),
        )
        for (i, j), (robust, clean, _, paired), p in zip(pairs, found, adjusted, strict=True)
    )


def conclude(
    claims: Sequence[Claim], names: Sequence[str], found: Sequence[Comparison]
) -> tuple[str, ...]:
    """Return the comparison of several claims on the same data, in sentences."""
    parts = [found[0].sentence] if found else []
    for claim, name in zip(claims, names, strict=True):
        if _number(claim) is None:
            parts.append(f"{shortened(name, LONGEST)} is not ranked: {_why(claim)}.")
    return tuple(parts)


def about(found: Sequence[Comparison]) -> str:
    """Return how the differences were computed."""
    paired, unpaired = (any(c.paired is kind for c in found) for kind in (True, False))
    intervals = ["Newcombe's paired score interval"] * paired
    intervals += ["Newcombe's hybrid score interval"] * unpaired
    tests = ["McNemar's exact test"] * paired
    tests += ["the chi-squared test, as the points are others"] * unpaired
    several = f", Holm-corrected for {len(found)} comparisons" if len(found) > 1 else ""
    return ABOUT.format(
        intervals=" or ".join(intervals),
        tests=" or ".join(tests),
        corrected=several,
    )


def p_value(p: float) -> str:
    """Return a p-value as text."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _number(claim: Claim) -> Accuracy | None:
    """Return the robust accuracy of a claim, None where it is withheld or unreliable."""
    robust = claim.robust_accuracy
    return robust if isinstance(robust, Accuracy) and not failed_checks(claim.document) else None


def _why(claim: Claim) -> str:
    if not isinstance(claim.robust_accuracy, Accuracy):
        return "its number is withheld"
    bad = [name.replace("-", " ") for name in failed_checks(claim.document)]
    return f"its number is not to be relied on ({', '.join(bad)})"


@dataclass(frozen=True)
class _Points:
    """The ids of a claim, and of those the ones it kept and the ones it got right when clean."""

    ids: frozenset[int]
    kept: set[int]
    right: set[int]


def _points(claim: Claim) -> _Points:
    rows = list(claim.per_example)
    return _Points(
        frozenset(row.id for row in rows),
        {row.id for row in rows if row.status == Status.UNBROKEN},
        {row.id for row in rows if row.status != Status.CLEAN_WRONG},
    )


def _pair(one: _Points, other: _Points) -> tuple[Difference, Difference, float, bool]:
    """Return the differences in points kept and in clean accuracy, the p-value, if it is paired."""
    n, m = len(one.ids), len(other.ids)
    if one.ids == other.ids:
        kept = Pairs.of(one.kept, other.kept, n)
        clean = Pairs.of(one.right, other.right, n)
        p = mcnemar(kept.first, kept.second)
        return paired_difference(kept), paired_difference(clean), p, True
    shares = Accuracy(len(one.kept), n), Accuracy(len(other.kept), m)
    right = Accuracy(len(one.right), n), Accuracy(len(other.right), m)
    return unpaired_difference(*shares), unpaired_difference(*right), score_test(*shares), False
