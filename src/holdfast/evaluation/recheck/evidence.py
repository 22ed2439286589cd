"""Re-check every counterexample of a claim, and the pairs that its gallery shows."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.claims import Claim, Row, read_tensors
from holdfast.claims.contents import GALLERY, SHOWN
from holdfast.errors import VerificationError
from holdfast.evaluation.record.claim_files import in_gallery
from holdfast.evaluation.run.setup import EvaluationSetup, Padded
from holdfast.logits import disagreement, logit_range
from holdfast.objective import Score
from holdfast.progress import counting
from holdfast.threat import LatentAudited, Region, Status

SLACK = 2.0  # ties: another thread count or machine may round each of two logits otherwise
DRIFT = 3e-5  # of the range of an example's logits: and what it computes before them
PARTS = ("ids", "y", "x", "x_adv", "logits", "logits_adv")
CLOSE = 1e-3  # of a set's radius, and of the range of all logits: a size, and logits, agree


def check_evidence(claim: Claim, setup: EvaluationSetup, *, quiet: bool = False) -> int:
    """Return how many broken or tied examples have an input in the set with the stated outcome.

    Raises VerificationError at the first that has none, and for inputs that nothing refers to.
    """
    rows = {row.id: row for row in claim.per_example if row.status in SHOWN}
    evidence, points = read_evidence(claim), _read_points(claim, setup)
    if missing := sorted(set(rows) - set(evidence)):
        raise VerificationError(f"example {missing[0]} has no counterexample in the evidence")
    if strange := sorted(set(evidence) - set(rows)):
        raise VerificationError(
            f"there is evidence against example {strange[0]}, which the claim does not call broken"
        )
    order = [k for k, i in enumerate(claim.per_example["id"]) if i in rows]
    chosen = setup.positions[torch.tensor(order, dtype=torch.int64)]
    with counting("re-checking counterexamples", len(order), "points", quiet=quiet) as step:
        for batch in setup.batches(chosen):
            x_adv = [evidence[i] for i in batch.ids.tolist()]
            z = [points[i] for i in batch.ids.tolist()] if points else None
            _check_batch(setup, batch, (x_adv, z), rows)
            step(batch.real)
    return len(rows)


def check_gallery(claim: Claim, setup: EvaluationSetup) -> None:
    """Check that the gallery shows examples, counterexamples and logits as they are."""
    broken = [r.id for r in claim.per_example if r.status == Status.BROKEN]
    if (GALLERY in claim.document["files"]) is not bool(broken):
        raise VerificationError("a claim has a gallery exactly if an example is broken")
    if not broken:
        return
    shown = read_tensors(claim.folder / GALLERY, PARTS)
    evidence = read_evidence(claim)
    if shown["ids"].tolist() != in_gallery(setup.seed, broken):
        raise VerificationError("the gallery's examples are not those that the seed stands for")
    place = {i: k for k, i in enumerate(setup.data.ids.tolist())}
    for k, i in enumerate(shown["ids"].tolist()):
        if i not in evidence or not torch.equal(evidence[i], shown["x_adv"][k]):
            raise VerificationError(f"the gallery's pair of example {i} is not in the evidence")
    clean = setup.data.batch(torch.tensor([place[i] for i in shown["ids"].tolist()]))
    same = torch.equal(clean.y, shown["y"]) and torch.equal(clean.x.to(setup.dtype), shown["x"])
    if not same:
        raise VerificationError("the gallery shows other examples than those of the data")
    for x, logits in (("x", "logits"), ("x_adv", "logits_adv")):
        if not near(setup.logits(shown[x]), shown[logits]):
            raise VerificationError("the gallery's logits are not the model's")


def read_evidence(claim: Claim, which: str = "x_adv") -> dict[int, Tensor]:
    """Return the inputs by example id; VerificationError if two belong to one.

    which: "z" for the points behind them, in sets whose audit asks for those.
    """
    found: dict[int, Tensor] = {}
    for name in sorted(n for n in claim.document["files"] if n.startswith("evidence-")):
        part = read_tensors(claim.folder / name, ("ids", which))
        for i, tensor in zip(part["ids"].tolist(), part[which], strict=True):
            if i in found:
                raise VerificationError(f"{name} has a second counterexample of example {i}")
            found[i] = tensor
    return found


def near(found: Tensor, expected: Tensor) -> bool:
    """Return True where logits agree up to the rounding of other hardware."""
    if found.shape != expected.shape or not found.numel():
        return found.shape == expected.shape
    return disagreement(found, expected.to(found.dtype)) <= CLOSE


def drift(score: Score) -> Tensor:
    """Return (B,): how far other hardware may move a harm, beside the rounding of two logits.

    A share of the range, so that neither a class that is masked nor a constant in all of the logits
    lets a claim state anything.
    """
    return DRIFT * logit_range(score.logits).nan_to_num(0.0, 0.0, 0.0)


def _read_points(claim: Claim, setup: EvaluationSetup) -> dict[int, Tensor] | None:
    """Return the points behind the inputs by id; None where the set's audit needs none."""
    x = setup.probes()[:1].to(setup.device)
    region = setup.threat.space.around(x)
    if not isinstance(region, LatentAudited):
        return None
    points, like = read_evidence(claim, "z"), region.center()
    for i, z in points.items():
        if z.shape != like.shape[1:] or z.dtype != like.dtype or not bool(z.isfinite().all()):
            raise VerificationError(
                f"the point behind the counterexample of example {i} is none of this set"
            )
    return points


def _audited(region: Region, x_adv: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return (B,) bool, which inputs are in the set, and (B,) their sizes."""
    if z is None:
        return region.contains(x_adv), region.size(x_adv)
    assert isinstance(region, LatentAudited), "points are read for such sets alone"
    return region.contains_point(x_adv, z), region.size(z)


def _check_batch(
    setup: EvaluationSetup,
    batch: Padded,
    shown: tuple[list[Tensor], list[Tensor] | None],
    rows: dict[int, Row],
) -> None:
    """Check set, range, claimed size and verdict of one batch of counterexamples."""
    found, points = shown
    for x_adv in found:
        if x_adv.shape != batch.x.shape[1:] or x_adv.dtype != setup.dtype:
            raise VerificationError(
                f"a counterexample is {x_adv.dtype} of shape {tuple(x_adv.shape)}, the model takes "
                f"{setup.dtype} of shape {tuple(batch.x.shape[1:])}"
            )
    x_adv = torch.stack(found).to(setup.device)
    region = setup.threat.space.around(batch.x)
    objective = setup.objective(batch)
    score = objective.verdict(x_adv)
    # An example's logits may have next to no range where they nearly tie, so the unchanged count.
    moved = torch.maximum(drift(score), drift(objective.verdict(batch.x)))
    z = None if points is None else torch.stack(points).to(setup.device)
    columns = (*_audited(region, x_adv, z), score.harm, SLACK * score.tie + moved)
    checked = zip(batch.ids.tolist(), *(column.tolist() for column in columns), strict=True)
    for i, inside, size, harm, slack in list(checked)[: batch.real]:
        row = rows[i]
        if not inside:
            where = setup.threat.space.sentence()
            raise VerificationError(f"the counterexample of example {i} is not within {where}")
        if row.size is None or not abs(size - row.size) <= CLOSE * setup.threat.space.radius:
            raise VerificationError(
                f"the counterexample of example {i} has size {size:g}, the claim says {row.size}"
            )
        if not harm >= -slack:
            raise VerificationError(f"the counterexample of example {i} does not fool the model")
