"""The facts of a claim, in rows of a name and a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.claims import Claim, read_signature
from holdfast.claims.suites import printed_name
from holdfast.claims.wording import FEW, rate
from holdfast.reporting.spelling import count, duration, spell

Facts = tuple[tuple[str, str], ...]


def opinion(document: Mapping[str, Any]) -> str:
    """Return how far the number of a claim can be relied on, in one line."""
    if "withheld" in document["robust_accuracy"]:
        return "Withheld: the attacks could not work on too many of the points."
    statuses = [check["status"] for check in document["checks"]]
    if "fail" in statuses:
        return "Not to be relied on: a check failed."
    if not statuses:
        return "An upper bound that no check looked into."
    if "warn" in statuses or document["data"]["n"] < FEW:
        return "An upper bound, with warnings to read first."
    return "An upper bound that no check speaks against."


def tally(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the checks by status in a few words, with the names of those that did not pass."""
    found = [("warn", f"small sample: n < {FEW}")] if document["data"]["n"] < FEW else []
    for status, words in (
        ("fail", "failed"),
        ("warn", "warned"),
        ("pass", "passed"),
        ("not-run", "not run"),
    ):
        ids = [check["id"] for check in document["checks"] if check["status"] == status]
        names = ", ".join(name.replace("-", " ") for name in ids)
        if ids:
            said = f": {names}" if status in ("fail", "warn") else ""
            found.append((status, f"{len(ids)} {words}{said}"))
    if not document["checks"]:
        found.append(("not-run", "no check was run"))
    return tuple(sorted(found, key=lambda entry: entry[0] != "fail"))


def cost(document: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """Return the cost: kind, total, per point."""
    spent, n = document["cost"], document["data"]["n"]
    rows = [
        (f"{key.capitalize()} passes" if key != "queries" else "Queries", key)
        for key in ("forward", "backward", "queries")
    ]
    table = [(label, count(spent[key]), rate(spent[key] / n)) for label, key in rows]
    seconds = spent["seconds"]
    return (*table, ("Time", duration(seconds), duration(seconds / n)))


def threat(document: Mapping[str, Any]) -> Facts:
    """Return the threat model, in words and as components."""
    given = document["threat"]
    return (
        ("In words", document["threat_sentence"]),
        ("Allowed set", spell(given.get("space"))),
        ("Goal", spell(given.get("goal"))),
        ("Knowledge", spell(given.get("knowledge"))),
        ("Queries", "unlimited" if given.get("queries") is None else count(given["queries"])),
    )


def attacks(document: Mapping[str, Any]) -> Facts:
    """Return the members of the suite, each with its fields."""
    return tuple((m["name"], spell(m["attack"])) for m in document["suite"]["members"])


def subject(document: Mapping[str, Any]) -> Facts:
    """Return the facts about model, data and suite that `verify` compares."""
    model, data = document["model"], document["data"]
    which = "all" if data["ids"] == "all" else "random subset, indices stored in the claim"
    return (
        ("Parameters", count(model["parameters"])),
        ("Data", f"{count(data['n'])} of {count(data['available'])} points ({which})"),
        ("Classes", count(model["num_classes"])),
        ("Suite", printed_name(document["suite"])),
    )


def stated(claim: Claim) -> Facts:
    """Return the unverified statements of the author: names, seed, date, signer."""
    document = claim.document
    search, signature = document.get("search"), read_signature(claim)
    signed = "no" if signature is None else f"{signature} (not checked here)"
    return (
        ("Model is called", document["model"]["name"]),
        *([("Surrogate is called", search["name"])] if search else []),
        ("Data are called", document["data"]["name"]),
        *_given(document.get("given", {})),
        ("Seed", str(document["seed"])),
        ("Created", document["created"]),
        ("Signed", signed),
    )


def _given(given: Mapping[str, Any]) -> Facts:
    """Return the words by which model and data were given."""
    named = {"model": "Model was given as", "search": "Surrogate was given as"}
    models = [
        (label, spell({"type": "", **given[key]})) for key, label in named.items() if key in given
    ]
    data = [("Data were given as", given["data"])] if "data" in given else []
    return (*models, *data)


def environment(document: Mapping[str, Any]) -> Facts:
    """Return the machine, its settings, and the versions."""
    settings = (
        ("device", document["device"]),
        ("precision", document["precision"]),
        ("threads", document["threads"]),
        ("batch size", document["batch_size"]),
    )
    named = {**dict(settings), **document["environment"]}
    return tuple((str(key), spell(value)) for key, value in named.items())


def digests(document: Mapping[str, Any]) -> Facts:
    """Return the digests of claim, model, data, threat model and suite."""
    search = document.get("search")
    return (
        ("claim", document["digest"]),
        ("model", document["model"]["digest"]),
        *([("surrogate", search["digest"])] if search else []),
        ("data", document["data"]["fingerprint"]),
        ("threat model", document["threat_digest"]),
        ("suite", document["suite"]["digest"]),
    )
