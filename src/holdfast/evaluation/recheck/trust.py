"""Statements of a claim that no re-check can prove, in words for its readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.claims import Claim
from holdfast.claims.suites import CUSTOM, printed_name
from holdfast.components import digest
from holdfast.errors import VerificationError
from holdfast.evaluation.record.provenance import TRAINING_DATA, Provenance
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.models import Finding, Verdict


def check_part(claim: Claim, setup: EvaluationSetup) -> None:
    """Raise VerificationError if the data at hand are another part than the claim says.

    A claim may leave out that its examples are test points, not that they are others.
    """
    said, found = claim.document["data"].get("part"), setup.data.part
    if found is not None and said != found and (said is not None or found != "test"):
        raise VerificationError(
            f"the claim calls its examples {said or 'just'} points, the data at hand are the "
            f"{found} part"
        )


def check_training(claim: Claim, setup: EvaluationSetup, known: Provenance | None) -> list[Finding]:
    """Return the run's record of the examples, as far as the claim must agree.

    Raises VerificationError if the claim states another training than the run's. A claim that was
    made without the run says nothing of it; only that these are training examples it must say.
    """
    if known is None:
        return []
    said, ours = claim.document["training"], known.plain()
    for key in ("method", "threat"):
        if said and digest(said[key]) != digest(ours[key]):
            raise VerificationError(
                f"the claim states another {key} of training than the run at hand, {known.run}"
            )
    finding = known.check(setup.data)
    stated = any(check["id"] == TRAINING_DATA for check in claim.checks)
    return [finding] if stated or finding.status is Verdict.FAIL else []


def taken_on_trust(
    claim: Claim, setup: EvaluationSetup, findings: Sequence[Finding], known: Provenance | None
) -> tuple[str, ...]:
    """Return the statements of the claim that nothing at hand can prove.

    findings: the checks that were run again. known: the training run of the model at hand.
    """
    document = claim.document
    return (
        *_about_points(document["data"], setup, known),
        *_about_suite(document),
        "which attack broke which point, and the costs, within the bounds of the attacks",
        *_about_checks(claim, findings),
        *_about_training(document, known),
        "the words of the checks, names, dates, versions, machine, command, how things were given",
    )


def _about_points(
    data: Mapping[str, Any], setup: EvaluationSetup, known: Provenance | None
) -> list[str]:
    found = []
    if data.get("part") and setup.data.part is None:
        found.append(f"that these are {data['part']} points: the data at hand do not say so")
    if known is None:
        found.append("that the model was not trained on them: no training run is at hand")
    chose = "the draws of the attacks"
    if data["n"] < data["available"]:
        chose += f" and {data['n']:,} of {data['available']:,} points"
    found.append(f"that the seed, which chose {chose}, was not itself chosen for its outcome")
    return found


def _about_suite(document: Mapping[str, Any]) -> list[str]:
    name = printed_name(document["suite"])
    weak = [f"that {name} is strong: it is no suite of Holdfast's"] if CUSTOM in name else []
    curve = document["curve"]
    rest = (
        ["the curve beyond the bounds that the sizes of the counterexamples prove"] if curve else []
    )
    return [*weak, *rest]


def _about_checks(claim: Claim, findings: Sequence[Finding]) -> list[str]:
    again = {finding.id for finding in findings}
    stated = [check["id"] for check in claim.checks if check["id"] not in again]
    return [f"the checks {', '.join(stated)}"] if stated else []


def _about_training(document: Mapping[str, Any], known: Provenance | None) -> list[str]:
    if not document["training"]:
        return []
    return ["how the model was trained" if known is None else "the history of its training"]
