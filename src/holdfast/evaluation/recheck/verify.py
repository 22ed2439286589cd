"""Re-check a claim: the files, the model, the data, the clean accuracy, every counterexample.

This proves "robust accuracy is at most so much". That the attacks found nothing on the
rest cannot be proven; replaying them on some of the rest shows that they ran. A curve's points at
other radii are proven as far as the sizes of the counterexamples do so, and no further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.arguments import checked
from holdfast.attacks import Attack
from holdfast.claims import (
    Claim,
    Row,
    model_digest,
    read_tensors,
    signer_of,
)
from holdfast.claims.contents import PROBES
from holdfast.components import build, digest
from holdfast.data import Examples, as_examples
from holdfast.errors import ConfigError, InputError, VerificationError
from holdfast.evaluation.checks.ties import A_FEW
from holdfast.evaluation.recheck.evidence import SLACK, check_evidence, check_gallery, drift, near
from holdfast.evaluation.recheck.figures import check_figures
from holdfast.evaluation.recheck.replay import replay_some
from holdfast.evaluation.recheck.trust import check_part, check_training, taken_on_trust
from holdfast.evaluation.recheck.verification import Verification
from holdfast.evaluation.record.provenance import provenance_of
from holdfast.evaluation.run.prepare import look_at, prepare
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.run.stage import clean_scores
from holdfast.evaluation.suites import Suite
from holdfast.models import Finding, Verdict, frozen, wrap
from holdfast.progress import counting
from holdfast.runtime import deterministic
from holdfast.threat import Status, ThreatModel

LARGEST_INPUTS = 2**33  # bytes of one batch
MOVED_OVER = 0.001  # share of examples that rounding may carry over the boundary; one of a few
MOST_PARTS = 100_000  # of one composed attack


@checked
def verify(
    path: str | Path,
    *,
    model: Any,
    data: Any,
    replay: int | None = None,
    replay_seed: int | None = None,
    surrogate: Any = None,
    device: str | torch.device | None = None,
    key: str | Path | None = None,
    quiet: bool = False,
) -> Verification:
    """Re-check a claim against a model and data; printing the result lists what was verified.

    replay: run the suite again on so many of the points that it did not break, 0 for none; by
    default on as many as a minute allows, and five at least, of a black box on none. replay_seed:
    draws the same points again; by default they come from the operating system's entropy.
    surrogate: the claim's surrogate, where it had one; counterexamples are proven without it,
    nothing is replayed. key: a file with the public key of the required signer. What the claim
    states and nothing at hand can prove is listed in `.trusted`. quiet: print no progress.

    Raises VerificationError at the first thing that does not hold, StorageError if there is no
    finished claim.
    """
    model, surrogate = wrap(model), None if surrogate is None else wrap(surrogate)
    examples = as_examples(data, part="test", range=model.range)
    provenance = provenance_of(model)
    if replay is not None and replay < 0:
        raise InputError(f"replay must be 0 or more, got {replay}")
    claim = Claim.load(path)
    signature = signer_of(claim, key)
    check_subject(claim, model, examples)
    with deterministic(), torch.random.fork_rng():
        setup = bind(claim, model, examples, device, surrogate)
        if replay and setup.about_twin and not setup.twin:
            said = "the attacks searched with another model"
            raise InputError(
                f"{said}: pass surrogate= to replay them",
                console=f"{said}: say --surrogate MODEL to replay them",
            )
        with frozen(setup.judge), frozen(setup.search):
            findings = look_at(setup)
            _refuse_random(findings)
            _check_probes(claim, setup)
            check_part(claim, setup)
            findings += check_training(claim, setup, provenance)
            findings = check_figures(claim, setup, findings)
            _check_clean(claim, setup, quiet)
            shown = check_evidence(claim, setup, quiet=quiet)
            check_gallery(claim, setup)
            wanted = replay != 0 if replay is not None else _can_replay(setup)
            again = replay_some(claim, setup, replay, replay_seed, quiet=quiet) if wanted else None
    return Verification(
        claim,
        len(claim.per_example),
        shown,
        again,
        searched=setup.about_twin is None or setup.twin is not None,
        signature=signature,
        key_checked=key is not None,
        trusted=taken_on_trust(claim, setup, findings, provenance),
    )


def _can_replay(setup: EvaluationSetup) -> bool:
    """Return True unless that costs somebody's queries, or the surrogate is not at hand."""
    asked = [setup.judge, setup.twin or setup.judge]
    at_hand = setup.about_twin is None or setup.twin is not None
    return at_hand and all(model.box is None for model in asked)


def check_subject(claim: Claim, model: nn.Module, data: Examples) -> None:
    """Raise VerificationError unless the claim is about this model and these data."""
    document = claim.document
    wrapped = wrap(model)
    found = data.in_columns(wrapped.labels).fingerprint
    _same(document["model"]["digest"], model_digest(wrapped), "the model", "another model")
    _same(document["data"]["fingerprint"], found, "the data", "other data")


def bind(
    claim: Claim,
    model: nn.Module,
    data: Examples,
    device: str | torch.device | None = None,
    surrogate: nn.Module | None = None,
) -> EvaluationSetup:
    """Return the setup that the claim says it was made in, on the model and data at hand."""
    document = claim.document
    _refuse_huge(document["batch_size"], data)
    if surrogate is not None:
        said = (document.get("search") or {"digest": "none"})["digest"]
        _same(said, model_digest(wrap(surrogate)), "the surrogate", "another model")
    try:
        threat: ThreatModel = build("threat", document["threat"])
        suite = _suite(document)
        n = None if document["data"]["ids"] == "all" else len(claim.per_example)
        setup = prepare(
            model,
            data,
            threat=threat,
            suite=suite,
            seed=document["seed"],
            n=n,
            batch_size=document["batch_size"],
            device=device,
            surrogate=surrogate,
            precision=document["precision"],
            exhaustive=document["suite"]["exhaustive"],
            about_twin=document.get("search"),
        )
    # Values of the right type may still be none that a component or PyTorch can take.
    except (ConfigError, InputError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise VerificationError(f"the claim does not fit model and data: {error}") from error
    _same(document["threat_digest"], threat.digest, "the threat model", "an altered claim")
    identity = {
        "model": document["model"]["digest"],
        "data": setup.data.fingerprint,
        "threat": threat.digest,
    }
    # In which mode the model at hand came says nothing about the claim.
    return replace(setup, identity=identity, in_training=frozenset())


def _refuse_huge(batch_size: int, data: Examples) -> None:
    """Refuse a batch that would not fit, before anything is allocated."""
    size = batch_size * data.batch(torch.zeros(1, dtype=torch.int64)).x.numel() * 4
    if size > LARGEST_INPUTS:
        raise VerificationError(
            f"the claim was made in batches of {batch_size:,} examples, whose inputs alone are "
            f"{size / 2**30:,.0f} GiB, more than the {LARGEST_INPUTS / 2**30:g} GiB that are "
            "allocated for a claim"
        )


def _suite(document: Mapping[str, Any]) -> Suite:
    """Return the suite that the claim defines; its digest shows whether it is one of ours."""
    suite: Suite = build("suite_definition", document["suite"]["definition"])
    _same(document["suite"]["digest"], digest(suite), "the suite", "another suite")
    for member in suite.members:
        if _parts(member.attack) > MOST_PARTS:
            raise VerificationError(f"member {member.name} of the suite is of too many parts")
    return suite


def _parts(attack: Attack) -> int:
    """Return at least how many parts a composed attack has, without making them."""
    inner = [value for value in vars(attack).values() if isinstance(value, Attack)]
    count = sum(_parts(part) for part in inner) or 1
    for name in ("restarts", "top"):
        count *= getattr(attack, name, 1)
    return count


def _same(stored: str, found: str, subject: str, other: str) -> None:
    if stored != found:
        raise VerificationError(
            f"{subject} is not the claim's: digest {found[:12]}..., claimed {stored[:12]}...; "
            f"this is {other}"
        )


def _refuse_random(findings: Sequence[Finding]) -> None:
    """Refuse a model that draws: a counterexample in one run is none in the next."""
    for finding in findings:
        if finding.id == "repeatable" and finding.status is Verdict.FAIL:
            raise VerificationError(
                f"a randomized model cannot be verified: check repeatable fails, {finding.message}"
            )


def _check_probes(claim: Claim, setup: EvaluationSetup) -> None:
    """Compare logits on stored inputs: the digest of a model does not cover `forward`."""
    stored = read_tensors(claim.folder / PROBES, ("x", "logits"))
    ours = setup.probes()
    if stored["x"].dtype != ours.dtype or not torch.equal(stored["x"], ours):
        raise VerificationError("the claim's probes are not the first of its examples")
    found = setup.logits(stored["x"])
    if not near(found, stored["logits"]):
        raise VerificationError(
            "the model's logits on the claim's probes are not the claim's: it computes something "
            "else than when the claim was made"
        )


def _check_clean(claim: Claim, setup: EvaluationSetup, quiet: bool) -> None:
    """Check label and clean prediction of every example, and that ties are told of."""
    rows, tied, moved_over = iter(claim.per_example), 0, 0
    n = len(claim.per_example)
    with counting("re-checking the unchanged inputs", n, "points", quiet=quiet) as step:
        for batch, score in clean_scores(setup, setup.positions):
            columns = (batch.y, score.harm, score.tie, drift(score))
            checked = zip(*(column.tolist() for column in columns), strict=True)
            for label, harm, tie, moved in list(checked)[: batch.real]:
                moved_over += _check_row(next(rows), label, harm, (tie, moved))
                tied += abs(harm) <= tie / 2  # beyond doubt
            step(batch.real)
    if moved_over > max(1, MOVED_OVER * n):
        raise VerificationError(
            f"{moved_over:,} of {n:,} examples are classified otherwise than the claim says, more "
            "than rounding on other hardware explains"
        )
    told = {check["id"]: check["status"] for check in claim.checks}.get("ties") != Verdict.PASS
    tied += claim.per_example["status"].count(Status.MARGINAL)
    if tied > A_FEW * n and not told:
        raise VerificationError(f"{tied} examples are ties, check ties of the claim says pass")


def _check_row(row: Row, label: int, harm: float, rounding: tuple[float, float]) -> bool:
    """Check one example; True if it is classified otherwise than the claim says, if only just.

    rounding: its tie, and by how much more other hardware may move its harm. A correct one was
    beyond a tie where the claim was made, so that here it may be no exact tie.
    """
    if row.label != label:
        raise VerificationError(f"example {row.id} has label {label}, the claim says {row.label}")
    wrong, (tie, moved) = row.status == Status.CLEAN_WRONG, rounding
    if wrong and harm < -(SLACK * tie + moved):
        raise VerificationError(
            f"example {row.id} is classified correctly, the claim says {row.status}"
        )
    if not wrong and not (harm < 0 or 0 < harm < moved):
        raise VerificationError(f"example {row.id} is misclassified, the claim says {row.status}")
    return harm < -SLACK * tie if wrong else harm > 0
