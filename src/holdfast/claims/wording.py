"""The sentences in which results are stated: made from the figures, never free text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.claims.headline import ceiling
from holdfast.claims.intervals import Accuracy
from holdfast.claims.suites import printed_name
from holdfast.errors import in_words
from holdfast.printable import printable

BANNED = ("robust to", "secure", "safe", "immune")  # words that need a certificate
FEW = 500  # points below which a claim says how far its figures reach
_IMPLIED = ("inputs in 0..1", "untargeted", "white box (gradient)")  # assumed by readers
_SAID = ("warn", "fail")  # statuses of a check that no reader may miss
_PARTS = {"train": "training points", "validation": "validation points", "test": "test points"}


def sentence(document: Mapping[str, Any]) -> str:
    """Return the statement of a claim, from the JSON of its claim.json; fit to print."""
    return printable(" ".join([statement(document), *warnings(document)]))


def statement(document: Mapping[str, Any]) -> str:
    """Return the sentence of the claim, without the warnings that belong to it."""
    clean = Accuracy.of(document["clean_accuracy"])
    return f"On {_points(document)}, clean accuracy {clean}. {_finding(document)}"


def warnings(document: Mapping[str, Any]) -> list[str]:
    """Return the warnings about the numbers, such as a small sample."""
    notes = []
    n = document["data"]["n"]
    if n < FEW:
        clean, most = Accuracy.of(document["clean_accuracy"]), ceiling(document["counts"])
        reach = 50 * max(a.interval.high - a.interval.low for a in (clean, most))
        notes.append(
            f"SMALL SAMPLE: on {n:,} points each figure is uncertain by about {reach:.0f} points "
            "either way: models that lie closer than that need a comparison on the same points."
        )
    if other := document.get("search"):
        notes.append(
            "SEARCH MODEL: gradients, and scores that the model does not give, were those of "
            f"{other['name']} (digest {other['digest'][:12]}), verdicts the model's own; a better "
            "surrogate may break more."
        )
    return notes + [note(check) for check in document["checks"] if check["status"] in _SAID]


def note(check: Mapping[str, Any]) -> str:
    """Return a check that did not pass as a warning under its own name."""
    title = check["id"].replace("-", " ").upper()
    return f"{title}: {as_sentence(check['message'])} {as_sentence(check['remedy'])}".rstrip()


def failed_checks(document: Mapping[str, Any]) -> list[str]:
    """Return the ids of the checks that failed: with any, the number is not to be relied on."""
    return [check["id"] for check in document["checks"] if check["status"] == "fail"]


def within(threat_sentence: str) -> str:
    """Shorten a threat model's sentence to the set and all that differs from the usual."""
    space, *rest = threat_sentence.split(", ")
    unusual = [clause for clause in rest if clause not in _IMPLIED]
    return f"{space} ({', '.join(unusual)})" if unusual else space


def budget(document: Mapping[str, Any]) -> str:
    """Return the mean passes and queries per point, as words."""
    n, cost = document["data"]["n"], document["cost"]
    parts = [
        f"{rate(cost[key] / n)} {name}"
        for key, name in (
            ("forward", "forward passes"),
            ("backward", "backward passes"),
            ("queries", "queries"),
        )
        # A query is a forward pass of the attacked model: said only where it is another number.
        if cost[key] and (key != "queries" or cost[key] != cost["forward"])
    ]
    return f"{in_words(parts)} a point on average" if parts else "no passes"


def _points(document: Mapping[str, Any]) -> str:
    data = document["data"]
    points = _PARTS.get(data.get("part"), "points")
    if data["n"] == data["available"]:
        return f"n={data['n']:,} {points}"
    return f"a random subset of n={data['n']:,} of {data['available']:,} {points}"


def _finding(document: Mapping[str, Any]) -> str:
    against = (
        f"gainst {printed_name(document['suite'])} ({budget(document)}) "
        f"within {within(document['threat_sentence'])}"
    )
    robust, bad = document["robust_accuracy"], failed_checks(document)
    most = ceiling(document["counts"])
    verdict = f"UNRELIABLE: {'check' if len(bad) == 1 else 'checks'} {in_words(bad)} failed."
    if "withheld" in robust:
        reason = f"The robust accuracy is WITHHELD: {robust['withheld']}."
        found = f"A{against}, at most {most} of points were not broken."
        return f"{reason} {found}" if not bad else f"{reason} {verdict} {found}"
    if bad:
        return f"{verdict} A{against}, at most {most} of points were not broken."
    return (
        f"A{against}, {Accuracy.of(robust)} of points were not broken. This is an UPPER bound on "
        "robust accuracy in this threat model; stronger attacks may lower it."
    )


def rate(value: float) -> str:
    """Return a mean count: whole from 10 on, one decimal below."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def as_sentence(text: str) -> str:
    """Return a text with a capital at its start and a full stop at its end; "" stays empty."""
    text = text.strip()
    return text if not text else text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
