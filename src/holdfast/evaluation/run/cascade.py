"""The cascade: clean pass, cheap attacks, strong attacks; what is broken drops out at once.

Works on one chunk of examples. Each stage is a segment of the ledger, so a stage that was done
before, here or on another machine, is read instead of run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from holdfast.claims import Ledger, Segment
from holdfast.claims.contents import SHOWN
from holdfast.components import digest
from holdfast.evaluation.run.setup import EvaluationSetup, member_key
from holdfast.evaluation.run.stage import CLEAN, run_clean, run_member
from holdfast.evaluation.run.watch import UNWATCHED, Watch
from holdfast.evaluation.suites import Member
from holdfast.threat import Knowledge, Status

NEAR = 0.05  # of the logits' size: bfloat16 may misjudge a harm this near 0: float32 looks again

_WORST_FIRST = (Status.BROKEN, Status.MARGINAL, Status.FAILED, Status.UNBROKEN)


@dataclass(frozen=True)
class MemberResult:
    """The result of a member on one example: a row of the ledger, and the input if there is one."""

    row: dict[str, Any]
    x_adv: Tensor | None
    z: Tensor | None = None  # the point behind it, where the set's audit asks for it

    def within(self, radius: float) -> MemberResult:
        """Return the result of a minimum-norm search at a larger radius than it was judged at."""
        if self.x_adv is None or self.row["size"] > radius:
            return self
        row = {**self.row, "status": Status.BROKEN.value, "raised": False}
        return replace(self, row=row)


@dataclass
class Example:
    """The state of one example at one radius."""

    id: int
    label: int
    status: Status
    attacked: bool = True  # whether the goal concerns it
    tied: bool = False  # unchanged, a wrong class ties with the label
    broken_by: str | None = None  # the first member that broke it, or that found the tie
    size: float | None = None
    x_adv: Tensor | None = None  # the counterexample, or the tie
    z: Tensor | None = None  # the point behind it, where the set's audit asks for it
    seen: dict[str, Status] = field(default_factory=dict)  # outcome of each member
    ran: bool = False  # a most informed member ran
    had_gradient: bool = False  # and could move
    model_error: bool = False  # the model raised or returned no number, or a smaller radius failed
    closeness: float = -math.inf  # largest harm as a share of the logits, of all that ran
    nearest: dict[str, MemberResult] = field(default_factory=dict)  # by member: holds at any radius

    @property
    def open(self) -> bool:
        """True if an attack could still change the verdict."""
        return self.attacked and self.status not in (Status.CLEAN_WRONG, Status.BROKEN)

    @property
    def unsure(self) -> bool:
        """True if a low-precision search may have misjudged it."""
        return self.closeness >= -NEAR or self.model_error or not self.had_gradient

    def record(self, member: str, result: MemberResult, leads: bool) -> None:
        """Enter the result of a member; leads: it is one of the most informed."""
        row = result.row
        status = Status(row["status"])
        self.seen[member] = min(status, self.seen.get(member, status), key=_WORST_FIRST.index)
        self.ran |= leads
        self.had_gradient |= leads and status is not Status.FAILED
        self.model_error |= row["raised"]
        self.closeness = max(self.closeness, row["closeness"])
        worse = _WORST_FIRST.index(status) < _WORST_FIRST.index(self.status)
        if status in SHOWN and worse:
            self.status, self.broken_by = status, member
            self.size, self.x_adv, self.z = row["size"], result.x_adv, result.z

    def inherit(self, smaller: Example) -> None:
        """Take over the counterexamples and failures of a smaller radius."""
        self.nearest = dict(smaller.nearest)
        if smaller.status in SHOWN:
            self.status, self.broken_by = smaller.status, smaller.broken_by
            self.size, self.x_adv, self.z = smaller.size, smaller.x_adv, smaller.z
            self.seen = dict(smaller.seen)
        self.model_error |= smaller.status is Status.FAILED

    def finalize(self) -> None:
        """Mark an unbroken example as failed if no attack could work on it."""
        if self.status is Status.UNBROKEN and (
            self.model_error or (self.ran and not self.had_gradient)
        ):
            self.status = Status.FAILED


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The cost of one member on one chunk."""

    name: str
    forward: int = 0
    backward: int = 0
    queries: int = 0
    seconds: float = 0.0


class Cascade:
    """Runs a setup's stages on chunks of examples, through a ledger."""

    def __init__(self, setup: EvaluationSetup, ledger: Ledger, watch: Watch = UNWATCHED) -> None:
        self.setup = setup
        self.ledger = ledger
        self.watch = watch
        seen = [member.attack.demands().knowledge for member in setup.members]
        self._most_informed = min(seen, key=list(Knowledge).index)

    def run(
        self, positions: Tensor, smaller: Sequence[Example] = ()
    ) -> tuple[list[Example], list[Stage]]:
        """Return the outcomes of the examples at `positions`, and the cost of each stage.

        smaller: the same examples at a smaller radius, if they were attacked there.
        """
        examples, clean = self._clean(positions)
        if smaller:
            for mine, before in zip(examples, smaller, strict=True):
                mine.inherit(before)
        stages = [clean]
        for member in self.setup.members:
            chosen = [i for i, example in enumerate(examples) if self._enters(example)]
            stages.append(self._member(self.setup, member, positions, examples, chosen))
        exact = self.setup.exact()
        unsure = [i for i, example in enumerate(examples) if example.unsure]
        for member in self.setup.finishers():
            chosen = [i for i in unsure if self._enters(examples[i])]
            stages.append(self._member(exact, member, positions, examples, chosen))
        for example in examples:
            example.finalize()
        return examples, stages

    def _clean(self, positions: Tensor) -> tuple[list[Example], Stage]:
        key = self._key(self.setup, {"name": CLEAN}, positions)
        self.watch.begins(len(positions))
        segment = self._segment(key, lambda: run_clean(self.setup, positions, self.watch))
        examples = [
            Example(row["id"], row["label"], Status(row["status"]), row["attacked"], row["tied"])
            for row in segment.rows
        ]
        wrong = sum(example.status is Status.CLEAN_WRONG for example in examples)
        self.watch.ends(CLEAN, len(examples), wrong, _open(examples))
        return examples, Stage(name=CLEAN, **segment.notes)

    def _member(
        self,
        setup: EvaluationSetup,
        member: Member,
        positions: Tensor,
        examples: list[Example],
        chosen: list[int],
    ) -> Stage:
        """Run a member on the chosen examples, or read its results from the ledger.

        One that looks for the nearest counterexample is not run again at a larger radius.
        """
        lasts = member.attack.demands().nearest and setup is self.setup
        fresh = [i for i in chosen if not lasts or member.name not in examples[i].nearest]
        entering, before = positions[torch.tensor(fresh, dtype=torch.int64)], _open(examples)
        self.watch.begins(len(fresh))
        stage, found = self._found(setup, member, entering)
        results = dict(zip(fresh, found, strict=True))
        leads = member.attack.demands().knowledge is self._most_informed
        for i in chosen:
            result = results.get(i) or examples[i].nearest[member.name]
            if lasts:
                examples[i].nearest[member.name] = result
                result = result.within(setup.threat.space.radius)
            examples[i].record(member.name, result, leads)
        left = _open(examples)
        self.watch.ends(member.name, len(chosen), before - left, left)
        return stage

    def _found(
        self, setup: EvaluationSetup, member: Member, entering: Tensor
    ) -> tuple[Stage, list[MemberResult]]:
        """Return the results of a member on the examples `entering`, from the ledger."""
        if not len(entering):
            return Stage(name=member.name), []
        key = self._key(setup, member_key(setup, member), entering)
        segment = self._segment(key, lambda: run_member(setup, member, entering, self.watch))
        shown = segment.evidence
        ids = shown["ids"].tolist() if shown else []
        points = shown["z"] if "z" in shown else [None] * len(ids)
        where = {i: (shown["x_adv"][k], points[k]) for k, i in enumerate(ids)}
        found = [
            MemberResult(dict(row), *where.get(row["id"], (None, None))) for row in segment.rows
        ]
        return Stage(name=member.name, **segment.notes), found

    def _enters(self, example: Example) -> bool:
        """Return True if an attack should run on this example."""
        return example.open or (self.setup.exhaustive and example.status is Status.BROKEN)

    @staticmethod
    def _key(setup: EvaluationSetup, stage: dict[str, Any], positions: Tensor) -> dict[str, Any]:
        ids = setup.data.ids[positions].tolist()
        return {**setup.identity, "stage": stage, "ids": digest(ids)}

    def _segment(self, key: dict[str, Any], compute: Callable[[], Segment]) -> Segment:
        """Return a segment as the ledger holds it, computed first if need be."""
        if not self.ledger.has(key):
            self.ledger.write(key, compute())
        return self.ledger.read(key)


def _open(examples: Sequence[Example]) -> int:
    """Return how many an attack could still break."""
    return sum(example.open for example in examples)
