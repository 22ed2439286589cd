"""Base class of all attacks, and the reductions of a search to one point: worst, first, last.

An attack is frozen data without a model. `iterate` yields each scored point and at the end the last
one unscored; evaluation keeps the worst of them, training takes the last and spends no extra pass.
A minimum-norm attack searches all valid inputs and keeps the nearest success, so one run gives the
outcome at every radius.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, reduce
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from holdfast.arguments import checked
from holdfast.attacks.core.advice import instead, misfit
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.points import (
    Point,
    Scored,
    Unscored,
    Walk,
    evaluate,
    query,
    scored,
    value_and_grad,
)
from holdfast.attacks.core.result import Result, keep_nearest, keep_worst
from holdfast.attacks.core.shares import REFERENCE, split
from holdfast.attacks.core.starts import Start
from holdfast.attacks.core.tracking import BestTracker, MinimumNormTracker
from holdfast.attacks.core.travel import warn_of_short_steps
from holdfast.components import digest
from holdfast.context import own_context
from holdfast.errors import Unsupported, VerificationError
from holdfast.objective import BudgetSpent, Cost, Objective
from holdfast.rng import Rng
from holdfast.threat import Capability, Knowledge, LatentAudited, Normed, Region

__all__ = [
    "Attack",
    "BestTracker",
    "Demands",
    "MinimumNormTracker",
    "Point",
    "Scored",
    "Unscored",
    "Walk",
    "audit",
    "evaluate",
    "first",
    "keeper",
    "last",
    "query",
    "require",
    "scored",
    "value_and_grad",
    "walk_of",
    "worst",
]


class Demands(NamedTuple):
    """The needs of an attack: knowledge, capabilities of the set, and the kind of search."""

    knowledge: Knowledge
    needs: tuple[Capability, ...]
    nearest: bool = False  # whether it looks for the nearest counterexample, at any distance


class Attack:
    """The interface of every attack; subclasses are frozen dataclasses.

    needs: capabilities of the region. knowledge: that the threat model must grant. nearest:
    whether it looks for the nearest counterexample; its `iterate` then gets the region of infinite
    radius, and needs a set that is Normed. spends: its passes per example; one that fills in
    `passes` instead needs none. baseline: of an attack that is ours alone, the published one in
    its place.
    """

    kind: ClassVar[str] = "attack"
    needs: ClassVar[tuple[Capability, ...]] = ()
    knowledge: ClassVar[Knowledge] = Knowledge.GRADIENT
    nearest: ClassVar[bool] = False
    spends: ClassVar[Passes | None] = None
    baseline: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if cls.spends is not None:
            cls.spends.check(cls)

    def iterate(self, objective: Objective, region: Any, rng: Rng, start: Tensor | None) -> Walk:
        """Yield each scored point of the search and the unscored last one.

        region: an attack types it as that protocol among its `needs` which it uses; a call of the
        attack refuses every other set.
        """
        raise NotImplementedError

    def demands(self) -> Demands:
        """Return the needs of this attack; one made of attacks has theirs."""
        return Demands(self.knowledge, self.needs, self.nearest)

    def parts(self) -> tuple[Attack, ...]:
        """Return the attacks whose per-example worst case this one is; itself unless composed."""
        return (self,)

    def cost(self) -> str:
        """Return the cost formula: forward and backward passes per example."""
        forward, backward = self.formula()
        return f"{forward} forward, {backward} backward"

    def formula(self) -> tuple[str, str]:
        """Return the formulas of the (forward, backward) passes; without any, the numbers."""
        if self.spends is None:
            forward, backward = self.passes()
            return str(forward), str(backward)
        return self.spends.words(self)

    def passes(self) -> tuple[int, int]:
        """Return the same as numbers, (forward, backward) per example at most.

        A loss that compares with the unchanged input costs one more forward pass.
        """
        if self.spends is None:
            raise NotImplementedError
        return self.spends.count(self)

    def travel(self) -> float | None:
        """Return how far its steps go in all, as a fraction of the radius.

        None: they are no fixed fractions of it.
        """
        return None

    def __call__(
        self, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
    ) -> Result:
        """Run to the end and return the worst point found for each example, or the nearest success.

        Raises Unsupported if the region or the threat model's knowledge does not fit, and
        VerificationError if the search returned an input outside the set.
        """
        require(self, objective, region)
        warn_of_short_steps(self, objective.threat.space)
        with own_context(), objective.frozen():
            before = objective.cost
            results = [
                _found(part, its, region, part.own(rng), start)
                for part, its in _divided(self.parts(), objective)
            ]
            keep = keep_nearest if self.demands().nearest else keep_worst
            found = reduce(keep, results)
            audit(region, found)
            return replace(_confirmed(found, objective, before), seed=rng.seed)

    def own(self, rng: Rng) -> Rng:
        """Return this attack's own draws: no two attacks share theirs, in any order."""
        return rng.fold(self._digest)

    @cached_property
    def _digest(self) -> str:
        return digest(self)


def _divided(parts: tuple[Attack, ...], objective: Objective) -> Iterator[tuple[Attack, Objective]]:
    """Yield each part with the objective as it may ask it: equal shares of a query budget."""
    if objective.left is None or len(parts) == 1:
        yield from ((part, objective) for part in parts)
        return
    most = [part.passes()[0] + REFERENCE for part in parts]
    for part, share in zip(parts, split(objective.left, [1] * len(parts), most), strict=True):
        yield part, objective.within(share)


def require(attack: Attack, objective: Objective, region: Region) -> None:
    """Refuse an attack that the set, the granted knowledge or the model does not fit.

    The message names attacks that do.
    """
    found = misfit(attack, objective, region, asked=True)
    if found is not None:
        raise Unsupported(f"{found.why}: {instead(found.part, objective, region)}")


@checked
def last(
    attack: Attack, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
) -> Tensor:
    """Return x_adv (B, ...) where the search ends, not scored, as training uses it.

    The walk may begin outside the set, at the start as it is given, or as the attack's own start
    has it for training; where it ends is inside. Raises Unsupported as a call of the attack does.
    """
    require(attack, objective, region)
    opening = getattr(attack, "start", None)
    if start is None and isinstance(opening, Start):
        start = opening.for_training(region, rng)
    walk = walk_of(attack, region)
    z = region.center()
    for point in attack.iterate(objective, walk, rng, start):
        z = point.z
    if walk is not region:
        z = region.project(z)
    return region.realize(z.detach(), rng)


@checked
def worst(
    attack: Attack, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
) -> Result:
    """Run to the end; return each example's worst point: a success, else the largest harm.

    A start that is outside the set is projected onto it. Of an attack that looks for the nearest
    counterexample, return that.
    """
    return _found(attack, objective, region, rng, start)


@checked
def first(
    attack: Attack, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
) -> Result:
    """Keep each example's first success, else its worst point; end once every example is broken.

    Same verdict as `worst` in fewer passes, and no example's point depends on its batch mates. An
    attack that looks for the nearest counterexample is run to the end.
    """
    return _found(attack, objective, region, rng, start, settle=True)


def walk_of(attack: Attack, region: Region) -> Region:
    """Return where the attack walks: in the set, or, looking for the nearest, everywhere valid."""
    if not attack.demands().nearest:
        return region
    assert isinstance(region, Normed), "require() has checked this"
    return region.unbounded()


def keeper(
    attack: Attack, objective: Objective, region: Region, *, settle: bool = False
) -> BestTracker | MinimumNormTracker:
    """Return the tracker of this attack's points."""
    if attack.demands().nearest:
        return MinimumNormTracker(objective, region)
    return BestTracker(objective, region, settle=settle)


def _found(
    attack: Attack,
    objective: Objective,
    region: Region,
    rng: Rng,
    start: Tensor | None,
    *,
    settle: bool = False,
) -> Result:
    """Return the tracker of a search that ran to its end, or until its budget was spent."""
    best = keeper(attack, objective, region, settle=settle)
    walk = walk_of(attack, region)
    start = None if start is None else walk.project(start)
    with suppress(BudgetSpent):
        for point in attack.iterate(objective, walk, rng, start):
            here = point if isinstance(point, Scored) else point.scored(objective, walk, rng)
            if best.see(here):
                break
    return best.result()


def audit(region: Region, found: Result) -> None:
    """Raise VerificationError unless every input said to be in the set is, and every one is valid.

    Only a search for the nearest counterexample says of some that they are farther than the radius.
    """
    if isinstance(region, LatentAudited):
        outside = ~region.contains_point(found.x_adv, found.z)
    else:
        outside = ~region.contains(found.x_adv)
    bad = outside & found.inside
    if isinstance(region, Normed) and bool((outside & ~found.inside).any()):
        bad = bad | ~region.unbounded().contains(found.x_adv)
    if bool(bad.any()):
        raise VerificationError(
            f"an attack returned {int(bad.sum())} inputs outside the allowed set: this is a "
            "bug of the attack, its results are not used"
        )


def _confirmed(found: Result, objective: Objective, before: Cost) -> Result:
    """Let the judge have the last word where the search used another model."""
    if objective.judge is not objective.search:
        found = found.judged(objective.verdict(found.x_adv), found.cost)
    return replace(found, cost=objective.cost.since(before))
