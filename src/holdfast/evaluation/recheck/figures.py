"""Re-check of a claim apart from its counterexamples: suite, subset, sums, curve, checks."""

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
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.run.waterfall import Bar
from holdfast.models import Finding
from holdfast.threat import Space, Status

_SEVERITY = ("pass", "warn", "fail")


def check_figures(
    claim: Claim, setup: EvaluationSetup, findings: Sequence[Finding]
) -> list[Finding]:
    """Return the findings with those that follow from the waterfall.

    Raises VerificationError unless everything that follows from the rest follows from it.
    """
    document, table = claim.document, claim.per_example
    for statement, holds in _statements(claim, setup):
        if not _quietly(holds):
            raise VerificationError(f"the claim is not consistent: {statement} cannot be so")
    bars = [Bar(**bar) for bar in document["waterfall"]]
    members, tied = setup.answered(), table["status"].count(Status.MARGINAL)
    doubts = settings(members, setup.threat.space)
    guess = above_chance(table["label"], bars[0].broken, setup.num_classes)
    found = [*findings, guess, *doubts, *diagnose(members, bars, tied)]
    _check_checks(claim, found)
    return found


def _statements(claim: Claim, setup: EvaluationSetup) -> list[tuple[str, Callable[[], bool]]]:
    """Return the statements that must follow from the rest of a claim, each with its test."""
    document, table = claim.document, claim.per_example
    pairs = list(zip(table["label"], table["status"], strict=True))
    return [
        ("its sentence", lambda: document["threat_sentence"] == setup.threat.sentence()),
        ("its statuses", lambda: set(table["status"]) <= {status.value for status in Status}),
        ("the model's facts", lambda: about_model(setup).items() <= document["model"].items()),
        ("its surrogate", lambda: document.get("search") == setup.about_twin),
        ("the choice of examples", lambda: about_data(setup).items() <= document["data"].items()),
        ("its examples", lambda: table["id"] == tuple(_ids(setup))),
        (
            "the members of its suite",
            lambda: about_suite(setup).items() <= document["suite"].items(),
        ),
        (
            "accuracy per class",
            lambda: document["per_class"] == per_class(pairs, setup.data.classes),
        ),
        ("who broke its points", lambda: names_fit(claim)),
        ("its waterfall", lambda: stages_fit(claim, setup)),
        ("its curve", lambda: _curve_fits(claim, setup)),
        ("the cost of its curve", lambda: curve_cost_fits(claim, setup)),
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


def _ids(setup: EvaluationSetup) -> list[int]:
    ids: list[int] = setup.data.ids[setup.positions].tolist()
    return ids


def _curve_fits(claim: Claim, setup: EvaluationSetup) -> bool:
    """Test that a curve passes through the claim's own number, ascends in eps and does not rise.

    It may rise where each radius had an attacker with a query budget of its own.
    Nowhere is it above the bound that the sizes of the counterexamples prove. The folder of the
    claim holds no other evidence for other radii: inputs that broke examples there are not in it.
    """
    document, curve = claim.document, claim.document["curve"]
    if not curve:
        return True
    table = _Sizes(claim)
    radius = [point["radius"] for point in curve]
    kept = [point["robust"]["k"] for point in curve if "k" in point["robust"]]
    own = [p["robust"] for p in curve if p["radius"] == setup.threat.space.radius]
    return (
        radius == sorted(set(radius))
        and (kept == sorted(kept, reverse=True) or not setup.carries)
        and own == [document["robust_accuracy"]]
        and all(_proven(table, point, setup) for point in curve)
    )


class _Sizes:
    """The bounds that a claim's table gives at every radius, read once for the whole curve."""

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


def _proven(table: _Sizes, point: Mapping[str, Any], setup: EvaluationSetup) -> bool:
    """Return True if a point of the curve keeps no example that is known to break at its radius."""
    space = setup.threat.with_eps(point["eps"]).space
    if space.radius != point["radius"]:
        return False
    if "k" not in point["robust"]:
        return True
    kept = Accuracy(point["robust"]["k"], table.n)
    return point["robust"] == kept.plain() and kept.k <= kept.n - table.gone(space)


def _check_checks(claim: Claim, found: Sequence[Finding]) -> None:
    """Refuse a claim whose checks are rosier than those of the model now."""
    stored = {check["id"]: check["status"] for check in claim.checks}
    for finding in found:
        said = stored.get(finding.id)
        if said not in _SEVERITY or _SEVERITY.index(said) < _SEVERITY.index(finding.status):
            raise VerificationError(
                f"check {finding.id} says {finding.status.value} ({finding.message}), "
                f"the claim says {said or 'nothing of it'}"
            )
