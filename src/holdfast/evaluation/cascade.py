"""The cascade: clean pass, cheap attacks, strong attacks; what is broken drops out at once.

Works on one chunk of examples. Each stage is a segment of the ledger, so a stage that was done
before, here or on another machine, is read instead of run.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from holdfast.attacks import Result, first
from holdfast.attacks.base import require
from holdfast.claims import Ledger, Segment
from holdfast.errors import HoldfastError, VerificationError
from holdfast.evaluation.setting import Padded, Setting, member_key
from holdfast.evaluation.suites import Member
from holdfast.objective import Cost, Objective, Score
from holdfast.plain import digest
from holdfast.threat import TIE, Knowledge, Region, Status, Untargeted

log = logging.getLogger("holdfast")

CLEAN = "clean"
NEAR = (
    0.05  # of max|logit|: bfloat16 may misjudge a harm this close to zero, so float32 looks again
)


@dataclass
class Example:
    """What is known so far of one example at one radius."""

    id: int
    label: int
    status: Status = Status.UNBROKEN
    broken_by: str | None = None
    size: float | None = None
    x_adv: Tensor | None = None  # the counterexample, or the tie
    breakers: list[str] = field(default_factory=list)  # every member that broke it
    ran: int = 0  # most informed members that ran
    failed: int = 0  # of those, how many could not move
    closeness: float = -math.inf  # largest harm over max|logit|, of all that ran

    @property
    def open(self) -> bool:
        """Say whether an attack could still change the verdict."""
        return self.status not in (Status.CLEAN_WRONG, Status.BROKEN)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one member did to one chunk, for the waterfall."""

    name: str
    entered: int = 0
    broken: int = 0
    marginal: int = 0
    failed: int = 0
    forward: int = 0
    backward: int = 0
    queries: int = 0
    seconds: float = 0.0


Tick = Callable[[str, int, float], None]  # member, examples done, seconds they took


class Cascade:
    """Runs a setting's stages on chunks of examples, through a ledger."""

    def __init__(self, setting: Setting, ledger: Ledger, *, exhaustive: bool, tick: Tick) -> None:
        self.setting = setting
        self.ledger = ledger
        self.exhaustive = exhaustive
        self.tick = tick
        seen = [member.attack.knowledge for member in setting.members]
        self._most_informed = min(seen, key=list(Knowledge).index)

    def run(
        self, positions: Tensor, broken_before: Iterable[Example] = ()
    ) -> tuple[list[Example], list[Stage]]:
        """Return what became of the examples at `positions`, and what each stage did.

        broken_before: the same examples at a smaller radius; what was broken there stays broken.
        """
        examples, clean = self._clean(positions)
        for mine, smaller in zip(examples, broken_before, strict=False):
            if smaller.status is Status.BROKEN:
                _inherit(mine, smaller)
        stages = [clean]
        for member in self.setting.members:
            stages.append(self._member(self.setting, member, positions, examples, -math.inf))
        for member in self.setting.finishers():
            exact = self.setting.exact()
            stages.append(self._member(exact, member, positions, examples, -NEAR))
        for example in examples:
            if example.status is Status.UNBROKEN and example.ran and example.failed == example.ran:
                example.status = Status.FAILED
        return examples, stages

    def _clean(self, positions: Tensor) -> tuple[list[Example], Stage]:
        key = self._key(self.setting, {"name": CLEAN}, positions)
        segment = self._segment(key, lambda: _run_clean(self.setting, positions))
        examples = [Example(row["id"], row["label"], Status(row["status"])) for row in segment.rows]
        return examples, _stage(CLEAN, segment)

    def _member(
        self,
        setting: Setting,
        member: Member,
        positions: Tensor,
        examples: list[Example],
        nearest: float,
    ) -> Stage:
        entrants = [
            i
            for i, example in enumerate(examples)
            if example.closeness >= nearest and self._enters(example)
        ]
        if not entrants:
            return Stage(name=member.name)
        entering = positions[torch.tensor(entrants)]
        key = self._key(setting, member_key(member), entering)
        segment = self._segment(key, lambda: _run_member(setting, member, entering))
        stage = _stage(member.name, segment)
        fresh = self._update(member, segment, [examples[i] for i in entrants])
        self.tick(member.name, len(entrants), stage.seconds)
        return replace(stage, broken=fresh)

    def _enters(self, example: Example) -> bool:
        """Say whether an attack should look at this example."""
        wanted = example.open or (self.exhaustive and example.status is Status.BROKEN)
        return wanted and bool(self.setting.threat.goal.applies(torch.tensor([example.label])))

    def _update(self, member: Member, segment: Segment, entrants: list[Example]) -> int:
        """Enter a segment's findings; return how many examples were broken for the first time."""
        where = {int(i): k for k, i in enumerate(segment.evidence.get("ids", torch.empty(0)))}
        counts = member.attack.knowledge is self._most_informed
        fresh = 0
        for example, row in zip(entrants, segment.rows, strict=True):
            example.ran += counts
            example.failed += counts and row["status"] == Status.FAILED
            example.closeness = max(example.closeness, row["closeness"])
            x_adv = segment.evidence["x_adv"][where[example.id]] if example.id in where else None
            if row["status"] == Status.BROKEN:
                example.breakers.append(member.name)
                if example.status is not Status.BROKEN:
                    fresh += 1
                    example.status, example.broken_by = Status.BROKEN, member.name
                    example.size, example.x_adv = row["size"], x_adv
            elif row["status"] == Status.MARGINAL and example.status is Status.UNBROKEN:
                example.status, example.size = Status.MARGINAL, row["size"]
                example.x_adv, example.broken_by = x_adv, member.name
        return fresh

    @staticmethod
    def _key(setting: Setting, stage: dict[str, Any], positions: Tensor) -> dict[str, Any]:
        ids = setting.data.ids[positions].tolist()
        return {**setting.identity, "stage": stage, "ids": digest(ids)}

    def _segment(self, key: dict[str, Any], compute: Callable[[], Segment]) -> Segment:
        if not self.ledger.has(key):
            self.ledger.write(key, compute())
        return self.ledger.read(key)


def _run_clean(setting: Setting, positions: Tensor) -> Segment:
    """Classify the unchanged examples; a tie is not correct."""
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    for batch in setting.batches(positions):
        score = clean_scores(setting, batch)
        correct = (score.harm < -score.tie).tolist()
        for i in range(batch.real):
            status = Status.UNBROKEN if correct[i] else Status.CLEAN_WRONG
            rows.append({"id": int(batch.ids[i]), "label": int(batch.y[i]), "status": status.value})
    notes = {"forward": len(rows), "backward": 0, "queries": len(rows)}
    return Segment(rows=tuple(rows), notes={**notes, "seconds": time.perf_counter() - began})


def _run_member(setting: Setting, member: Member, positions: Tensor) -> Segment:
    """Attack the examples at `positions`; keep the inputs that break or tie as evidence."""
    began = time.perf_counter()
    rows: list[dict[str, Any]] = []
    evidence: list[tuple[Tensor, Tensor]] = []
    totals = torch.zeros(3, dtype=torch.int64)
    for batch in setting.batches(positions):
        found = attack_batch(setting, member, batch)
        fresh = _rows(found, batch)
        keep = [
            i for i, row in enumerate(fresh) if row["status"] in (Status.BROKEN, Status.MARGINAL)
        ]
        rows += fresh
        evidence.append((batch.ids[keep].cpu(), found.x_adv[keep].cpu()))
        totals += torch.stack([part[: batch.real].sum().cpu() for part in found.cost])
    ids, x_adv = (torch.cat(part) for part in zip(*evidence, strict=True))
    forward, backward, queries = totals.tolist()
    notes = {"forward": forward, "backward": backward, "queries": queries}
    return Segment(
        rows=tuple(rows),
        evidence={"ids": ids, "x_adv": x_adv} if len(ids) else {},
        notes={**notes, "seconds": time.perf_counter() - began},
    )


def _rows(found: Result, batch: Padded) -> list[dict[str, Any]]:
    closeness = (found.harm * TIE / found.tie).nan_to_num(-1.0, posinf=1.0, neginf=-1.0).tolist()
    size = found.size.nan_to_num(0.0).tolist()
    return [
        {
            "id": int(batch.ids[i]),
            "status": found.status[i].value,
            "size": size[i],
            "closeness": closeness[i],
        }
        for i in range(batch.real)
    ]


def clean_scores(setting: Setting, batch: Padded) -> Score:
    """Return the judge's verdict on the unchanged inputs: positive harm means misclassified."""
    threat = replace(setting.threat, goal=Untargeted())
    return Objective(threat, setting.judge, batch.x, batch.y).verdict(batch.x)


def attack_batch(setting: Setting, member: Member, batch: Padded) -> Result:
    """Attack one batch; the judge confirms every success, nothing outside the set passes.

    An exception inside the model is the attack's failure on this batch, not the end of the run.
    """
    objective = setting.objective(batch)
    region = setting.threat.space.around(batch.x)
    require(member.attack, objective, region)
    try:
        found = first(member.attack, objective, region, member.attack.own(setting.rng(batch.ids)))
    except HoldfastError:
        raise
    except Exception as error:
        log.warning("%s failed on a batch: %s: %s", member.name, type(error).__name__, error)
        return _gave_up(objective, region)
    return confirm(objective, region, found)


def confirm(objective: Objective, region: Region, found: Result) -> Result:
    """Audit the set and re-evaluate the returned inputs; what the judge denies does not count."""
    inside = region.contains(found.x_adv)
    if not bool(inside.all()):
        raise VerificationError(
            f"an attack returned {int((~inside).sum())} inputs outside the allowed set: this is a "
            "bug of the attack, its results are not used"
        )
    spent = objective.cost
    verdict = objective.verdict(found.x_adv)
    failed = found.failed | verdict.harm.isnan()
    return replace(found, harm=verdict.harm, tie=verdict.tie, failed=failed, cost=spent)


def _gave_up(objective: Objective, region: Region) -> Result:
    none = torch.full_like(region.radius, -torch.inf)
    return Result(
        x_adv=region.x,
        z=region.x,
        harm=none,
        tie=torch.ones_like(none),
        loss=none,
        size=torch.zeros_like(none),
        failed=torch.ones_like(none, dtype=torch.bool),
        cost=Cost(*objective.cost),
    )


def _inherit(mine: Example, smaller: Example) -> None:
    """What was broken within a smaller radius is broken within a larger one."""
    mine.status, mine.broken_by = smaller.status, smaller.broken_by
    mine.size, mine.x_adv = smaller.size, smaller.x_adv
    mine.breakers = list(smaller.breakers)


def _stage(name: str, segment: Segment) -> Stage:
    statuses = [row["status"] for row in segment.rows]
    return Stage(
        name=name,
        entered=len(statuses),
        broken=sum(s in (Status.CLEAN_WRONG, Status.BROKEN) for s in statuses),
        marginal=statuses.count(Status.MARGINAL),
        failed=statuses.count(Status.FAILED),
        **segment.notes,
    )
