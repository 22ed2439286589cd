"""Re-check what a claim says beside its counterexamples: suite, subset, sums, curve, checks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from holdfast.claims import Accuracy, Claim
from holdfast.claims.contents import SHOWN
from holdfast.errors import VerificationError
from holdfast.evaluation.checks import above_chance, diagnose, settings
from holdfast.evaluation.recheck.stages import curve_cost_fits, names_fit, stages_fit
from holdfast.evaluation.record.claim_document import (
    about_data,
    about_model,
    about_suite,
    per_class,
    shown_within,
)
from holdfast.evaluation.run.setting import Setting
from holdfast.evaluation.run.waterfall import Bar
from holdfast.models import Finding
from holdfast.threat import Space, Status

_SEVERITY = ("pass", "warn", "fail")


def check_figures(claim: Claim, setting: Setting, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with those that follow from the waterfall.

    Raises VerificationError unless everything that follows from the rest follows from it.
    """
    document, table = claim.document, claim.per_example
    for what, holds in _statements(claim, setting):
        if not _quietly(holds):
            raise VerificationError(f"the claim is not consistent: {what} cannot be so")
    bars = [Bar(**bar) for bar in document["waterfall"]]
    members, tied = setting.answered(), table["status"].count(Status.MARGINAL)
    doubts = settings(members, setting.threat.space)
    guess = above_chance(table["label"], bars[0].broken, setting.num_classes)
    found = [*findings, guess, *doubts, *diagnose(members, bars, tied)]
    _check_checks(claim, found)
    return found


def _statements(claim: Claim, setting: Setting) -> list[tuple[str, Callable[[], bool]]]:
    """Return what must follow from the rest of a claim, by name, each with its test."""
    document, table = claim.document, claim.per_example
    pairs = list(zip(table["label"], table["status"], strict=True))
    return [
        ("its sentence", lambda: document["threat_sentence"] == setting.threat.sentence()),
        ("its statuses", lambda: set(table["status"]) <= {status.value for status in Status}),
        ("the model's facts", lambda: about_model(setting).items() <= document["model"].items()),
        ("its search model", lambda: document.get("search") == setting.about_twin),
        ("the choice of examples", lambda: about_data(setting).items() <= document["data"].items()),
        ("its examples", lambda: table["id"] == tuple(_ids(setting))),
        (
            "the members of its suite",
            lambda: about_suite(setting).items() <= document["suite"].items(),
        ),
        (
            "accuracy per class",
            lambda: document["per_class"] == per_class(pairs, setting.data.classes),
        ),
        ("who broke its points", lambda: names_fit(claim)),
        ("its waterfall", lambda: stages_fit(claim, setting)),
        ("its curve", lambda: _curve_fits(claim, setting)),
        ("the cost of its curve", lambda: curve_cost_fits(claim, setting)),
        (
            "its checks, which repeat",
            lambda: len({c["id"] for c in claim.checks}) == len(claim.checks),
        ),
    ]


def _quietly(holds: Callable[[], bool]) -> bool:
    """Return False also for a document in which something is missing or of another kind."""
    try:
        return holds()
    except (KeyError, TypeError, AttributeError, IndexError, ValueError):
        return False


def _ids(setting: Setting) -> list[int]:
    ids: list[int] = setting.data.ids[setting.positions].tolist()
    return ids


def _curve_fits(claim: Claim, setting: Setting) -> bool:
    """A curve passes through the claim's own number, ascends in eps and does not rise.

    It may rise where each radius had an attacker with a query budget of its own.
    Nowhere is it above what the sizes of the counterexamples prove. That is all that the claim's
    folder can say of other radii: what broke there by other inputs is not in it.
    """
    document, curve = claim.document, claim.document["curve"]
    if not curve:
        return True
    table = _Sizes(claim)
    radius = [point["radius"] for point in curve]
    kept = [point["robust"]["k"] for point in curve if "k" in point["robust"]]
    own = [p["robust"] for p in curve if p["radius"] == setting.threat.space.radius]
    return (
        radius == sorted(set(radius))
        and (kept == sorted(kept, reverse=True) or not setting.carries)
        and own == [document["robust_accuracy"]]
        and all(_proven(table, point, setting) for point in curve)
    )


class _Sizes:
    """What a claim's table says of every radius: read once, however many a curve has."""

    def __init__(self, claim: Claim) -> None:
        statuses = claim.per_example["status"]
        self.n = len(statuses)
        self.wrong = statuses.count(Status.CLEAN_WRONG)
        self.shown = sorted(
            row.size for row in claim.per_example if row.status in SHOWN and row.size is not None
        )

    def gone(self, space: Space) -> int:
        """Return how many examples are known not to hold within `space`."""
        return self.wrong + bisect_left(
            self.shown, True, key=lambda size: not shown_within(Status.BROKEN, size, space)
        )


def _proven(table: _Sizes, point: Mapping[str, Any], setting: Setting) -> bool:
    """Say whether a point of the curve keeps no example that is known to break at its radius."""
    space = setting.threat.with_eps(point["eps"]).space
    if space.radius != point["radius"]:
        return False
    if "k" not in point["robust"]:
        return True
    kept = Accuracy(point["robust"]["k"], table.n)
    return point["robust"] == kept.plain() and kept.k <= kept.n - table.gone(space)


def _check_checks(claim: Claim, found: Sequence[Finding]) -> None:
    """Refuse a claim whose checks are rosier than what the model shows now."""
    stored = {check["id"]: check["status"] for check in claim.checks}
    for finding in found:
        said = stored.get(finding.id)
        if said not in _SEVERITY or _SEVERITY.index(said) < _SEVERITY.index(finding.status):
            raise VerificationError(
                f"check {finding.id} says {finding.status.value} ({finding.message}), "
                f"the claim says {said or 'nothing of it'}"
            )
