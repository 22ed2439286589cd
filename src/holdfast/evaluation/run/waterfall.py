"""The waterfall: who entered each stage, who was broken there, what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.evaluation.run.cascade import Example, Stage
from holdfast.evaluation.run.stage import CLEAN
from holdfast.threat import Status


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The outcomes of one member on all examples.

    entered: examples that it looked at. broken: those that no member before it broke. alone: those
    that nobody else broke, known only where every attack ran on every example. marginal, failed: of
    those that entered; an unchanged input that ties counts as wrong and as marginal. forward,
    backward, queries: over all examples and radii; seconds too.
    """

    name: str
    entered: int
    broken: int
    alone: int | None
    marginal: int
    failed: int
    forward: int
    backward: int
    queries: int
    seconds: float


def waterfall(
    examples: Sequence[Example], stages: Sequence[Stage], *, exhaustive: bool
) -> list[Bar]:
    """Return one bar a stage, the clean pass first; stages: of all chunks and radii."""
    return [_bar(spent, examples, exhaustive) for spent in added(stages)]


def added(stages: Sequence[Stage]) -> list[Stage]:
    """Add up the stages of one name, in the order of the suite."""
    total: dict[str, Stage] = {}
    for stage in stages:
        old = total.get(stage.name, Stage(name=stage.name))
        sums = {k: v + getattr(old, k) for k, v in vars(stage).items() if k != "name"}
        total[stage.name] = Stage(name=stage.name, **sums)
    return list(total.values())


def _bar(spent: Stage, examples: Sequence[Example], exhaustive: bool) -> Bar:
    if spent.name == CLEAN:
        wrong = sum(e.status is Status.CLEAN_WRONG for e in examples)
        passes = vars(spent)
        tied = sum(e.tied for e in examples)
        n = len(examples)
        return Bar(entered=n, broken=wrong, alone=None, marginal=tied, failed=0, **passes)
    seen = [e.seen[spent.name] for e in examples if spent.name in e.seen]
    mine = [e for e in examples if e.seen.get(spent.name) is Status.BROKEN]
    return Bar(
        entered=len(seen),
        broken=sum(e.broken_by == spent.name for e in mine),
        alone=sum(_breakers(e) == [spent.name] for e in mine) if exhaustive else None,
        marginal=seen.count(Status.MARGINAL),
        failed=seen.count(Status.FAILED),
        **vars(spent),
    )


def _breakers(example: Example) -> list[str]:
    return [name for name, status in example.seen.items() if status is Status.BROKEN]
