"""One stage, a segment of the ledger: the clean pass, or one member of the suite, on a chunk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from holdfast.attacks import Result, first
from holdfast.attacks.core.base import audit, worst
from holdfast.claims import Segment
from holdfast.claims.contents import SHOWN
from holdfast.errors import HoldfastError, InputError
from holdfast.evaluation.run.setup import EvaluationSetup, Padded
from holdfast.evaluation.run.watch import UNWATCHED, Watch
from holdfast.evaluation.suites import Member
from holdfast.logits import unmasked
from holdfast.objective import Objective, Score, refusal
from holdfast.rng import own_randomness
from holdfast.threat import LatentAudited, Region, Status, Untargeted

log = logging.getLogger("holdfast")

T = TypeVar("T")

CLEAN = "clean"


@dataclass(frozen=True)
class Found:
    """The result of an attack on one batch.

    scale: (B,) how large the judge's logits are. raised: the model ended it with an exception.
    """

    batch: Padded
    result: Result
    scale: Tensor
    raised: bool = False


def run_clean(setup: EvaluationSetup, positions: Tensor, watch: Watch = UNWATCHED) -> Segment:
    """Classify the unchanged examples; a tie is not correct."""
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    for batch, score in clean_scores(setup, positions):
        correct = (score.harm < -score.tie).tolist()
        tied = (score.harm.abs() <= score.tie).tolist()
        attacked = setup.threat.goal.applies(batch.y).tolist()
        ids, labels = batch.ids.tolist(), batch.y.tolist()
        for i in range(batch.real):
            status = Status.UNBROKEN if correct[i] else Status.CLEAN_WRONG
            row = {"id": ids[i], "label": labels[i], "status": status.value}
            rows.append({**row, "attacked": attacked[i], "tied": tied[i]})
        watch.batch_ends(batch.real, batch.real - sum(correct[: batch.real]))
    notes = {"forward": len(rows), "backward": 0, "queries": 0}
    return Segment(rows=tuple(rows), notes={**notes, "seconds": time.perf_counter() - began})


def clean_scores(setup: EvaluationSetup, positions: Tensor) -> Iterator[tuple[Padded, Score]]:
    """Yield the judge's verdict on the unchanged inputs: positive harm means misclassified.

    An example on which the model raises is not classified correctly: its harm is infinite.
    """
    threat = replace(setup.threat, goal=Untargeted())

    def judged(batch: Padded) -> Score:
        with own_randomness(setup.device, setup.seed, CLEAN, batch.ids.tolist()):
            return Objective(threat, setup.judge, batch.x, batch.y).verdict(batch.x)

    def lost(batch: Padded) -> Score:
        none = torch.zeros_like(batch.y, dtype=batch.x.dtype)
        return Score.known(none, none + torch.inf, none)

    return isolating_failures(setup, positions, CLEAN, judged, lost)


def run_member(
    setup: EvaluationSetup, member: Member, positions: Tensor, watch: Watch = UNWATCHED
) -> Segment:
    """Attack the examples at `positions`; keep the inputs that break or tie as evidence."""
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    parts: dict[str, list[Tensor]] = {"ids": [], "x_adv": []}
    totals = torch.zeros(3, dtype=torch.int64)
    for found in attacked(setup, member, positions):
        fresh = _rows(found)
        shown = torch.tensor([row["status"] in SHOWN for row in fresh])
        shown = shown | found.result.reached[: len(fresh)].cpu()  # farther ones serve a larger eps
        keep = shown.nonzero().flatten().to(found.batch.ids.device)
        parts["ids"].append(found.batch.ids[keep].cpu())
        parts["x_adv"].append(found.result.x_adv[keep].cpu())
        if isinstance(setup.threat.space.around(found.batch.x[:0]), LatentAudited):
            parts.setdefault("z", []).append(found.result.z[keep].cpu())
        rows += fresh
        totals += torch.stack([part[: found.batch.real].sum() for part in found.result.cost]).cpu()
        watch.batch_ends(len(fresh), sum(row["status"] == Status.BROKEN for row in fresh))
    evidence = {name: torch.cat(pieces) for name, pieces in parts.items()}
    notes = dict(zip(("forward", "backward", "queries"), totals.tolist(), strict=True))
    return Segment(
        rows=tuple(rows),
        evidence=evidence if len(evidence["ids"]) else {},
        notes={**notes, "seconds": time.perf_counter() - began},
    )


def attacked(setup: EvaluationSetup, member: Member, positions: Tensor) -> Iterator[Found]:
    """Attack in batches of one shape; an exception of the model fails its own examples alone.

    A member that needs more than the model can answer fails on all of them, at no cost.
    """
    if not setup.can_run(member):
        needed = member.attack.demands().knowledge
        gives = refusal(setup.asked(member))
        log.warning("%s cannot run: it needs %s, %s", member.name, needed, gives)
        yield from (_failed_batch(setup, batch) for batch in setup.batches(positions))
        return
    asked: dict[int, int] = {}  # queries of attempts that the model ended, by example

    def attempt(batch: Padded) -> Found:
        ids = batch.ids.tolist()
        objective = setup.objective(batch, member, max(asked.get(i, 0) for i in ids))
        try:
            return attack_batch(setup, member, batch, objective)
        except Exception:
            spent = dict(zip(ids, objective.cost.queries.tolist(), strict=True))
            asked.update({i: asked.get(i, 0) + count for i, count in spent.items()})
            raise

    found = isolating_failures(
        setup,
        positions,
        member.name,
        attempt,
        lambda batch: _failed_batch(setup, batch, raised=True),
    )
    yield from (outcome for _, outcome in found)


def isolating_failures(
    setup: EvaluationSetup,
    positions: Tensor,
    name: str,
    compute: Callable[[Padded], T],
    instead: Callable[[Padded], T],
) -> Iterator[tuple[Padded, T]]:
    """Compute in batches of one shape; where the model raises, halve until the culprits are alone.

    They get `instead`. The cost of the attempts before it is not counted, but a query budget is
    what is left of it.
    """
    for part in positions.split(setup.batch_size):
        batch = setup.pad(part)
        try:
            yield batch, compute(batch)
        except (HoldfastError, MemoryError):
            raise
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"a batch of {setup.batch_size} does not fit the device's memory: "
                "give a smaller batch_size"
            ) from error
        except Exception as error:  # noqa: BLE001 - a user's network may raise anything
            if len(part) > 1:
                for half in part.tensor_split(2):
                    yield from isolating_failures(setup, half, name, compute, instead)
            else:
                cause = f"{type(error).__name__}: {error}"
                log.warning("%s failed on example %d: %s", name, int(batch.ids[0]), cause)
                yield batch, instead(batch)


def attack_batch(
    setup: EvaluationSetup, member: Member, batch: Padded, objective: Objective
) -> Found:
    """Attack one batch; the judge confirms every success, nothing outside the set passes.

    A network that draws (dropout left on) draws the same for the same member and batch. What breaks
    a surrogate of the user's may not break the judge, so that search goes on to its worst point.
    """
    reduce = first if setup.twin is None or setup.asked(member) is setup.judge else worst
    region = setup.threat.space.around(batch.x)
    draws = member.attack.own(setup.rng(batch.ids))
    with own_randomness(setup.device, setup.seed, member.name, batch.ids.tolist()):
        found = reduce(member.attack, objective, region, draws)
        verdict = confirm(objective, region, found)
    scale = unmasked(verdict.logits).abs().amax(1)
    return Found(batch, found.judged(verdict, objective.cost), scale)


def confirm(objective: Objective, region: Region, found: Result) -> Score:
    """Audit the set and re-evaluate the returned inputs; what the judge denies fails."""
    audit(region, found)
    return objective.verdict(found.x_adv)


def _rows(found: Found) -> list[dict[str, Any]]:
    """Return the ledger's row of each example that counts.

    size: how far the input is; larger than any radius where a search for the nearest found none.
    closeness: harm over the size of the logits, -1 where there is none. raised: the model raised
    or, where nothing broke the example, returned no number.
    """
    result, real = found.result, found.batch.real
    closeness = (result.harm / found.scale).nan_to_num(-1.0, posinf=1.0, neginf=-1.0)
    columns = (
        found.batch.ids.tolist(),
        [status.value for status in result.status],
        result.size.nan_to_num(0.0).tolist(),
        closeness.tolist(),
        (found.raised | (result.lost & ~result.success)).tolist(),
    )
    return [
        {"id": i, "status": s, "size": size, "closeness": near, "raised": raised}
        for i, s, size, near, raised in list(zip(*columns, strict=True))[:real]
    ]


def _failed_batch(setup: EvaluationSetup, batch: Padded, *, raised: bool = False) -> Found:
    """Return the empty result of a batch on which the attack could not run."""
    none = torch.full(batch.y.shape, -torch.inf, dtype=batch.x.dtype, device=batch.x.device)
    nothing = Result(
        x_adv=batch.x,
        z=setup.threat.space.around(batch.x).center(),
        harm=none,
        tie=torch.ones_like(none),
        loss=none,
        size=torch.zeros_like(none),
        inside=torch.ones_like(none, dtype=torch.bool),
        failed=torch.ones_like(none, dtype=torch.bool),
        lost=torch.ones_like(none, dtype=torch.bool),
        cost=setup.objective(batch).cost,
    )
    return Found(batch, nothing, torch.ones_like(none), raised)
