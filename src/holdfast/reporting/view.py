"""The contents of a report as plain values: HTML, Markdown and terminal show the same view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.arguments import checked
from holdfast.claims import Accuracy, Claim, Withheld, read_accuracy
from holdfast.claims.headline import ceiling
from holdfast.claims.suites import printed_name
from holdfast.claims.wording import failed_checks, statement, warnings, within
from holdfast.errors import InputError
from holdfast.reporting import facts
from holdfast.reporting.comparison import Comparison, about, compare, conclude, obstacles
from holdfast.reporting.facts import Facts
from holdfast.reporting.gallery import Pair, load_gallery
from holdfast.reporting.history import History, load_history
from holdfast.reporting.naming import Name, name_claims
from holdfast.reporting.recheck_command import Recheck, recheck
from holdfast.reporting.spelling import count, duration, fit_to_show

CHECKED = "What holdfast verify checks"
ABOUT_CHECKED = (
    "This report was made from the claim alone: its files are whole and do not contradict one "
    "another. With the model and the data, verify proves this part, or says where it cannot."
)
STATED = "Stated by the author, not verified"
ABOUT_STATED = (
    "The claim proves none of this: verify checks at most that figures agree with one another and "
    "are possible."
)
ABOUT_WATERFALL = (
    "The attacks in the order in which they ran. Entered: points that a stage attacked. Broke: of "
    "these, the ones that it was the first to break. Left: points that nothing had broken so far. "
    "Passes: forward and backward passes of the network that it spent."
)


@dataclass(frozen=True)
class Point:
    """One point of a security curve."""

    eps: str  # as written
    radius: float
    robust: Accuracy


@dataclass(frozen=True)
class Stage:
    """One row of the attack waterfall.

    entered: points that it attacked. broken: those that no stage before it broke. lost: broken, or
    tied and so no longer counted as held. left: points held after it.
    """

    name: str
    entered: int
    broken: int
    lost: int
    left: int
    alone: int | None  # points that it breaks by itself, known of exhaustive runs only
    marginal: int
    failed: int
    passes: str
    seconds: str


@dataclass(frozen=True)
class ClassRow:
    """Accuracy on the points of one class."""

    name: str
    n: int
    clean: Accuracy
    robust: Accuracy | None  # None where it is withheld


@dataclass(frozen=True)
class Check:
    """One diagnostic; status is pass, warn, fail or not-run."""

    id: str
    status: str
    message: str
    remedy: str


@dataclass(frozen=True)
class ClaimView:
    """All that a report says about one claim."""

    anchor: str
    name: str  # of the model, in this report
    author_name: str  # the author's name for it if that is another one, else ""
    model: str  # the beginning of its digest, which says which model it is
    sentence: str  # statement and warnings, as `print(claim)`
    statement: str
    warnings: tuple[str, ...]
    opinion: str  # how far the number can be relied on, in one line
    tally: tuple[tuple[str, str], ...]  # status and words: "9 passed", "1 warning: loss scale"
    within: str  # the allowed set, such as "Linf eps=8/255"
    eps: str
    suite: str
    n: int
    clean: Accuracy
    robust: Accuracy | None  # None: withheld or unreliable; `most` bounds it then
    most: Accuracy
    verdict: str  # "", "withheld" or "unreliable"
    curve: tuple[Point, ...]
    waterfall: tuple[Stage, ...]
    idle: tuple[str, ...]  # members that had nothing left to attack
    classes: tuple[ClassRow, ...]
    gallery: tuple[Pair, ...]
    training: History | None
    checks: tuple[Check, ...]
    cost: tuple[tuple[str, str, str], ...]  # kind, total, per point
    threat: Facts
    attacks: Facts
    subject: Facts
    digests: Facts
    stated: Facts  # statements that verify does not check
    environment: Facts
    evaluated_with: str
    recheck: Recheck


@dataclass(frozen=True)
class Report:
    """Several claims side by side."""

    title: str
    claims: tuple[ClaimView, ...]
    names_of: str  # whose names the models bear
    differences: str  # why the claims must not be compared, "" when they may be
    conclusion: tuple[str, ...]  # of several claims, in sentences, the most important first
    comparisons: tuple[Comparison, ...]  # of every two models, the best with the next first
    about_comparisons: str


@checked
def view(claims: Sequence[Claim], names: Sequence[str] | None = None) -> Report:
    """Return the view of some claims, in their order.

    names: names of the models, one for each claim; by default those that their authors gave.
    Raises InputError if there is no claim, or if the names are not one for each or repeat.
    """
    if not claims:
        raise InputError("a report needs at least one claim, got none: name a claim folder")
    named = name_claims(claims, names)
    called = [name.shown for name in named]
    differences = obstacles(claims)
    comparisons = () if differences else compare(claims, called)
    report = Report(
        title=f"Robustness of {f'{len(claims)} models' if len(claims) > 1 else called[0]}",
        claims=tuple(_claim(c, n, i) for i, (c, n) in enumerate(zip(claims, named, strict=True))),
        names_of=named[0].origin,
        differences=differences,
        conclusion=_conclusion(claims, called, differences, comparisons),
        comparisons=comparisons,
        about_comparisons=about(comparisons) if comparisons else "",
    )
    shown: Report = fit_to_show(report)
    return shown


def _conclusion(
    claims: Sequence[Claim], names: Sequence[str], differences: str, found: Sequence[Comparison]
) -> tuple[str, ...]:
    if len(claims) == 1:
        return ()
    return (differences,) if differences else conclude(claims, names, found)


def nothing_left(idle: Sequence[str]) -> str:
    """Return the members that had no work in one line, "" if there are none."""
    if not idle:
        return ""
    members = "1 member" if len(idle) == 1 else f"{len(idle)} members"
    return f"{members} had nothing left to attack: {', '.join(idle)}."


def _claim(claim: Claim, name: Name, index: int) -> ClaimView:
    document = claim.document
    bad = failed_checks(document)
    robust = claim.robust_accuracy
    verdict = "withheld" if isinstance(robust, Withheld) else "unreliable" if bad else ""
    return ClaimView(
        anchor=f"claim-{index + 1}",
        name=name.shown,
        author_name=name.other,
        model=document["model"]["digest"][:12],
        sentence=str(claim),
        statement=statement(document),
        warnings=tuple(warnings(document)),
        opinion=facts.opinion(document),
        tally=facts.tally(document),
        within=within(document["threat_sentence"]),
        eps=str(document["threat"].get("space", {}).get("eps", "")),
        suite=printed_name(document["suite"]),
        n=document["data"]["n"],
        clean=claim.clean_accuracy,
        robust=robust if isinstance(robust, Accuracy) and not bad else None,
        most=ceiling(document["counts"]),
        verdict=verdict,
        curve=_curve(claim),
        waterfall=_waterfall(document),
        idle=tuple(str(stage["name"]) for stage in document["waterfall"] if not _worked(stage)),
        classes=_classes(document),
        gallery=load_gallery(claim),
        training=load_history(claim),
        checks=_checks(claim),
        cost=facts.cost(document),
        threat=facts.threat(document),
        attacks=facts.attacks(document),
        subject=facts.subject(document),
        digests=facts.digests(document),
        stated=(*facts.stated(claim), *name.facts),
        environment=facts.environment(document),
        evaluated_with=document["command"],
        recheck=recheck(claim),
    )


def _checks(claim: Claim) -> tuple[Check, ...]:
    """Return the diagnostics, those that ask for something first."""
    found = [Check(**{key: str(c[key]) for key in Check.__annotations__}) for c in claim.checks]
    order = ("fail", "warn", "not-run", "pass")
    return tuple(sorted(found, key=lambda check: order.index(check.status)))


def _curve(claim: Claim) -> tuple[Point, ...]:
    """Return the curve, from the clean accuracy at eps 0 on."""
    points = []
    for item in claim.curve:
        robust = read_accuracy(item["robust"])
        if isinstance(robust, Accuracy):
            points.append(Point(str(item["eps"]), float(item["radius"]), robust))
    if points and points[0].radius > 0:
        points.insert(0, Point("0", 0.0, claim.clean_accuracy))
    return tuple(points)


def _waterfall(document: Mapping[str, Any]) -> tuple[Stage, ...]:
    """Return the stages that had something to attack."""
    stages = [stage for stage in document["waterfall"] if _worked(stage)]
    left = _left(stages, document["data"]["n"], ceiling(document["counts"]).k)
    return tuple(
        Stage(
            name=str(stage["name"]),
            entered=stage["entered"],
            broken=stage["broken"],
            lost=before - after,
            left=after,
            alone=stage["alone"],
            marginal=stage["marginal"],
            failed=stage["failed"],
            passes=count(stage["forward"] + stage["backward"]),
            seconds=duration(stage["seconds"]),
        )
        for stage, before, after in zip(stages, left, left[1:], strict=False)
    )


def _worked(stage: Mapping[str, Any]) -> bool:
    return bool(stage["entered"] or stage["forward"] or stage["backward"])


def _left(stages: Sequence[Mapping[str, Any]], n: int, end: int) -> list[int]:
    """Return the points held before the first stage, and after each.

    Points that one stage leaves enter the next, and failed points go on to the end, though they do
    not count; in an exhaustive run all points enter every stage.
    """
    exhaustive = any(stage["alone"] is not None for stage in stages)
    left = [n]
    for here, following in zip(stages, [*stages[1:], None], strict=True):
        if following is None:
            left.append(end)
        else:
            left.append(left[-1] - here["broken"] if exhaustive else following["entered"])
    return left


def _classes(document: Mapping[str, Any]) -> tuple[ClassRow, ...]:
    rows = []
    for item in document["per_class"]:
        robust = read_accuracy(item["robust"])
        rows.append(
            ClassRow(
                name=str(item["name"] if item["name"] is not None else item["label"]),
                n=item["n"],
                clean=Accuracy.of(item["clean"]),
                robust=robust if isinstance(robust, Accuracy) else None,
            )
        )
    return tuple(rows)
