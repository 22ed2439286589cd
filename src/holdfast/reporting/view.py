"""What a report says, as plain values: HTML, Markdown and terminal show the same view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.arguments import checked
from holdfast.claims import Accuracy, Claim, Withheld, read_accuracy
from holdfast.claims.headline import ceiling
from holdfast.claims.suites import printed_name
from holdfast.claims.wording import FEW, failed_checks, statement, warnings, within
from holdfast.errors import InputError
from holdfast.reporting import facts
from holdfast.reporting.comparison import compare
from holdfast.reporting.facts import Facts
from holdfast.reporting.gallery import Pair, load_gallery
from holdfast.reporting.history import History, load_history
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


@dataclass(frozen=True)
class Point:
    """One point of a security curve."""

    eps: str  # as written
    radius: float
    robust: Accuracy


@dataclass(frozen=True)
class Stage:
    """One row of the attack waterfall: of `entered` points it broke `broken`, `left` went on."""

    name: str
    entered: int
    broken: int
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
    name: str  # of the model, as its author calls it
    model: str  # the beginning of its digest, which says which model it is
    sentence: str  # statement and warnings: what `print(claim)` says
    statement: str
    warnings: tuple[str, ...]
    tags: tuple[str, ...]  # the warnings in two words each
    within: str  # the allowed set, such as "Linf eps=8/255"
    eps: str
    suite: str
    n: int
    clean: Accuracy
    robust: Accuracy | None  # None: withheld or unreliable, and then `most` is what can be said
    most: Accuracy
    verdict: str  # "", "withheld" or "unreliable"
    curve: tuple[Point, ...]
    waterfall: tuple[Stage, ...]
    classes: tuple[ClassRow, ...]
    gallery: tuple[Pair, ...]
    training: History | None
    checks: tuple[Check, ...]
    cost: tuple[tuple[str, str, str], ...]  # what, total, per point
    threat: Facts
    attacks: Facts
    subject: Facts
    digests: Facts
    stated: Facts  # what verify takes on the author's word
    environment: Facts
    evaluated_with: str
    recheck: Recheck


@dataclass(frozen=True)
class Report:
    """Several claims side by side."""

    title: str
    claims: tuple[ClaimView, ...]
    differences: str  # why the claims must not be compared, "" when they may be
    comparisons: tuple[str, ...]  # a sentence for each model and the next: is it ahead?


@checked
def view(claims: Sequence[Claim]) -> Report:
    """Return the view of some claims, in their order; InputError if there are none."""
    if not claims:
        raise InputError("a report needs at least one claim, got none: name a claim folder")
    names = _names(claims)
    views = tuple(_claim(c, name, i) for i, (c, name) in enumerate(zip(claims, names, strict=True)))
    title = (
        f"Robustness of {names[0]}" if len(claims) == 1 else f"Robustness of {len(claims)} models"
    )
    differences = _differences(claims)
    comparisons = () if differences else compare(claims, names)
    report: Report = fit_to_show(Report(title, views, differences, comparisons))
    return report


def _claim(claim: Claim, name: str, index: int) -> ClaimView:
    document = claim.document
    bad = failed_checks(document)
    robust = claim.robust_accuracy
    verdict = "withheld" if isinstance(robust, Withheld) else "unreliable" if bad else ""
    return ClaimView(
        anchor=f"claim-{index + 1}",
        name=name,
        model=document["model"]["digest"][:12],
        sentence=str(claim),
        statement=statement(document),
        warnings=tuple(warnings(document)),
        tags=_tags(document),
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
        classes=_classes(document),
        gallery=load_gallery(claim),
        training=load_history(claim),
        checks=_checks(claim),
        cost=facts.cost(document),
        threat=facts.threat(document),
        attacks=facts.attacks(document),
        subject=facts.subject(document),
        digests=facts.digests(document),
        stated=facts.stated(claim),
        environment=facts.environment(document),
        evaluated_with=document["command"],
        recheck=recheck(claim),
    )


def _checks(claim: Claim) -> tuple[Check, ...]:
    """Return the diagnostics, those that ask for something first."""
    found = [Check(**{key: str(c[key]) for key in Check.__annotations__}) for c in claim.checks]
    order = ("fail", "warn", "not-run", "pass")
    return tuple(sorted(found, key=lambda check: order.index(check.status)))


def _tags(document: Mapping[str, Any]) -> tuple[str, ...]:
    few = [f"n < {FEW}"] if document["data"]["n"] < FEW else []
    found = [c["id"] for c in document["checks"] if c["status"] in ("warn", "fail")]
    return (*few, *(name.replace("-", " ") for name in found))


def _names(claims: Sequence[Claim]) -> list[str]:
    """Return names that differ: of the models, else of the claim folders, else of their paths."""
    for name in (
        lambda claim: str(claim.document["model"]["name"]),
        lambda claim: claim.folder.resolve().name,
        lambda claim: "/".join(claim.folder.resolve().parts[-2:]),
    ):
        names = [name(claim) for claim in claims]
        if len(set(names)) == len(names):
            return names
    return [f"{i}. {claim.folder}" for i, claim in enumerate(claims, start=1)]


def _differences(claims: Sequence[Claim]) -> str:
    """Say in what the claims differ that makes a comparison meaningless."""
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
    stages = document["waterfall"]
    end = ceiling(
        document["counts"]
    ).k  # failed points went on to the end, though they do not count
    left = [*(stage["entered"] for stage in stages[1:]), end]
    return tuple(
        Stage(
            name=str(stage["name"]),
            entered=stage["entered"],
            broken=stage["broken"],
            left=after,
            alone=stage["alone"],
            marginal=stage["marginal"],
            failed=stage["failed"],
            passes=count(stage["forward"] + stage["backward"]),
            seconds=duration(stage["seconds"]),
        )
        for stage, after in zip(stages, left, strict=True)
    )


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
