"""Re-check a claim: the files, the model, the data, the clean accuracy, every counterexample.

What this proves is "robust accuracy is at most so much". That the attacks found nothing on the
rest cannot be proven; replaying them on some of the rest shows that they ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from holdfast.claims import Accuracy, Claim, Row, model_digest
from holdfast.data import Examples
from holdfast.errors import ConfigError, VerificationError
from holdfast.evaluation.cascade import attack_batch, clean_scores
from holdfast.evaluation.evaluate import prepare
from holdfast.evaluation.setting import Padded, Setting
from holdfast.evaluation.suites import Member
from holdfast.models import frozen, wrap
from holdfast.objective import Score
from holdfast.plain import build
from holdfast.rng import Rng
from holdfast.runtime import deterministic
from holdfast.threat import Status, ThreatModel

SLACK = 4.0  # ties: another thread count or machine may move a harm by the last digits
SHOWN = (Status.BROKEN, Status.MARGINAL)  # the statuses that a counterexample stands behind


@dataclass(frozen=True)
class Verification:
    """What was proven about a claim."""

    claim: Claim
    points: int  # whose clean prediction was recomputed
    counterexamples: int  # that are in the set, within range, and fool the model
    replayed: int  # points on which the attacks were run again and found nothing, as claimed

    @property
    def bound(self) -> Accuracy:
        """The robust accuracy that the counterexamples prove not to be exceeded."""
        statuses = self.claim.per_example["status"]
        gone = sum(status in (*SHOWN, Status.CLEAN_WRONG) for status in statuses)
        return Accuracy(len(statuses) - gone, len(statuses))

    def __str__(self) -> str:
        again = f" The attacks were replayed on {self.replayed:,} points." if self.replayed else ""
        return (
            f"Verified: clean accuracy {self.claim.clean_accuracy} on {self.points:,} points, and "
            f"{self.counterexamples:,} counterexamples within {self.claim.document['threat_sentence']}"
            f". This proves that robust accuracy on these points is at most "
            f"{100 * self.bound.value:.1f} %; it cannot prove that nothing else breaks.{again}"
        )


def verify(
    path: Path | str,
    *,
    model: nn.Module,
    data: Examples,
    replay: int = 0,
    device: str | None = None,
) -> Verification:
    """Re-check the claim in the folder `path` against `model` and `data`.

    replay: rerun the suite on so many random points that the claim calls unbroken. Raises
    VerificationError at the first thing that does not hold, naming it; StorageError if there is no
    finished claim.
    """
    claim = Claim.load(path)
    document = claim.document
    _same(document["model"]["digest"], model_digest(wrap(model)), "the model", "another model")
    _same(document["data"]["fingerprint"], data.fingerprint, "the data", "other data")
    with deterministic():
        setting = _setting(claim, model, data, device)
        with frozen(setting.judge):
            _check_probes(claim, setting)
            _check_clean(claim, setting)
            shown = _check_evidence(claim, setting)
            replayed = _replay(claim, setting, replay)
    return Verification(claim, len(claim.per_example), shown, replayed)


def _same(stored: str, found: str, what: str, other: str) -> None:
    if stored != found:
        raise VerificationError(
            f"{what} is not the claim's: digest {found[:12]}..., the claim says {stored[:12]}...; "
            f"this is {other}"
        )


def _setting(claim: Claim, model: nn.Module, data: Examples, device: str | None) -> Setting:
    """Bind the claim's own threat model, members, seed and batch size to the model at hand."""
    document = claim.document
    try:
        threat: ThreatModel = build("threat", document["threat"])
        members = tuple(
            Member(name=m["name"], attack=build("attack", m["attack"]))
            for m in document["suite"]["members"]
        )
    except ConfigError as error:
        raise VerificationError(f"the claim cannot be read by this version: {error}") from error
    _same(document["threat_digest"], threat.digest, "the threat model", "an altered claim")
    setting = prepare(
        model,
        data,
        threat=threat,
        suite="standard",
        seed=document["seed"],
        n=None,
        batch_size=document["batch_size"],
        device=device,
        search="float32",
    )
    place = {int(i): k for k, i in enumerate(data.ids.tolist())}
    ids = claim.per_example["id"]
    if strange := [i for i in ids if i not in place]:
        raise VerificationError(f"the claim's example {strange[0]} is not in the data")
    positions = torch.tensor([place[i] for i in ids])
    return replace(setting, positions=positions, members=members)


def _check_probes(claim: Claim, setting: Setting) -> None:
    """Compare logits on stored inputs: the digest of a model does not see what `forward` does."""
    stored = _load(claim.folder / "probes.safetensors")
    with torch.no_grad():
        found = setting.judge(stored["x"].to(setting.device)).cpu()
    expected = stored["logits"]
    gap = float((found - expected).abs().max()) if found.shape == expected.shape else torch.inf
    if not gap <= 1e-3 * max(1.0, float(expected.abs().max())):
        raise VerificationError(
            f"the model's logits on the claim's probes differ by {gap:.3g}: it computes something "
            "else than when the claim was made"
        )


def _check_clean(claim: Claim, setting: Setting) -> None:
    rows = list(claim.per_example)
    at = 0
    for batch in setting.batches(setting.positions):
        score = clean_scores(setting, batch)
        for i in range(batch.real):
            _check_row(rows[at + i], int(batch.y[i]), *_one(score, i))
        at += batch.real


def _check_row(row: Row, label: int, harm: float, tie: float) -> None:
    if row.label != label:
        raise VerificationError(f"example {row.id} has label {label}, the claim says {row.label}")
    wrong = row.status == Status.CLEAN_WRONG
    if wrong and harm < -SLACK * tie:
        raise VerificationError(
            f"example {row.id} is classified correctly, the claim says {row.status}"
        )
    if not wrong and not harm < SLACK * tie:
        raise VerificationError(f"example {row.id} is misclassified, the claim says {row.status}")


def _check_evidence(claim: Claim, setting: Setting) -> int:
    """Check that every broken or tied example has an input in the set that does what is said."""
    rows = {row.id: row for row in claim.per_example if row.status in SHOWN}
    evidence = _evidence(claim)
    if missing := sorted(set(rows) - set(evidence)):
        raise VerificationError(f"example {missing[0]} has no counterexample in the evidence")
    order = [k for k, i in enumerate(claim.per_example["id"]) if i in rows]
    if not order:
        return 0
    for batch in setting.batches(setting.positions[torch.tensor(order)]):
        x_adv = torch.stack([evidence[int(i)] for i in batch.ids]).to(setting.device)
        _check_batch(setting, batch, x_adv, rows)
    return len(rows)


def _check_batch(setting: Setting, batch: Padded, x_adv: Tensor, rows: dict[int, Row]) -> None:
    if x_adv.shape != batch.x.shape:
        raise VerificationError(
            f"a counterexample has shape {tuple(x_adv.shape[1:])}, the data {tuple(batch.x.shape[1:])}"
        )
    inside = setting.threat.space.around(batch.x).contains(x_adv)
    score = setting.objective(batch).verdict(x_adv)
    for i in range(batch.real):
        row = rows[int(batch.ids[i])]
        if not bool(inside[i]):
            raise VerificationError(
                f"the counterexample of example {row.id} is not within "
                f"{setting.threat.space.sentence()}"
            )
        harm, tie = _one(score, i)
        if not harm >= (0.0 if row.status == Status.BROKEN else -SLACK * tie):
            raise VerificationError(
                f"the counterexample of example {row.id} does not fool the model"
            )


def _replay(claim: Claim, setting: Setting, count: int) -> int:
    """Run the suite again on random unbroken points; what it finds now it should have found then."""
    kept = [k for k, s in enumerate(claim.per_example["status"]) if s == Status.UNBROKEN]
    if not count or not kept:
        return 0
    ids = torch.tensor([claim.per_example["id"][k] for k in kept])
    order = Rng(setting.seed, ids).fold("replay").uniform().argsort(stable=True)[:count]
    chosen = setting.positions[torch.tensor(kept)[order]]
    for batch in setting.batches(chosen):
        for member in setting.members:
            found = attack_batch(setting, member, batch)
            if bool(found.success[: batch.real].any()):
                i = int(found.success[: batch.real].nonzero()[0])
                raise VerificationError(
                    f"replaying {member.name} broke example {int(batch.ids[i])}, which the claim "
                    "calls unbroken: the claim is too high"
                )
    return len(chosen)


def _evidence(claim: Claim) -> dict[int, Tensor]:
    found: dict[int, Tensor] = {}
    for name in _named(claim.document["files"], "evidence-"):
        part = _load(claim.folder / name)
        found |= dict(zip(part["ids"].tolist(), part["x_adv"], strict=True))
    return found


def _named(names: Sequence[str] | dict[str, Any], prefix: str) -> Iterator[str]:
    return (name for name in sorted(names) if name.startswith(prefix))


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise VerificationError(f"{path} cannot be read: {error}") from None


def _one(score: Score, i: int) -> tuple[float, float]:
    return float(score.harm[i]), float(score.tie[i])
