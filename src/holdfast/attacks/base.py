"""What every attack is: a way to walk through the set, reduced to the worst point or to the last.

An attack is frozen data without a model. `iterate` yields each scored point and at the end the last
one unscored; evaluation keeps the worst of them, training takes the last and spends no extra pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.result import Result, beats, keep_worst
from holdfast.attacks.starts import Start
from holdfast.errors import Unsupported, VerificationError
from holdfast.objective import BudgetSpent, Cost, Objective, Score
from holdfast.plain import describe, digest
from holdfast.registry import known
from holdfast.rng import Rng
from holdfast.spaces.ball import norm, spread
from holdfast.threat import Dense, Knowledge, Normed, Region, Searchable, Vector

Capability = type[Vector] | type[Normed] | type[Dense] | type[Searchable]


class Demands(NamedTuple):
    """What an attack asks of the threat model and of the set."""

    knowledge: Knowledge
    needs: tuple[Capability, ...]


@dataclass(frozen=True)
class Scored:
    """A point of the search with what one forward pass said about it."""

    z: Tensor  # (B, ...)
    x_adv: Tensor  # (B, ...)
    score: Score
    grad: Tensor | None = None  # (B, ...) of the loss; None: none was asked for

    @property
    def loss(self) -> Tensor:
        """Return (B,): the value of what the search climbs."""
        return self.score.loss.detach()

    @property
    def harm(self) -> Tensor:
        """Return (B,): what the attacker wants."""
        return self.score.harm

    @property
    def tie(self) -> Tensor:
        """Return (B,): how large a harm must be to count."""
        return self.score.tie


@dataclass(frozen=True)
class Unscored:
    """The point where a search ends, not yet looked at."""

    z: Tensor  # (B, ...)
    grad: Tensor | None = None  # (B, ...) zero where the search had none


Point = Scored | Unscored


class Attack:
    """The interface of every attack; subclasses are frozen dataclasses.

    needs: what the region must be able to do. knowledge: what the threat model must grant.
    """

    kind: ClassVar[str] = "attack"
    needs: ClassVar[tuple[Capability, ...]] = ()
    knowledge: ClassVar[Knowledge] = Knowledge.GRADIENT

    def iterate(
        self, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
    ) -> Iterator[Point]:
        """Yield each scored point of the search and the unscored last one."""
        raise NotImplementedError

    def demands(self) -> Demands:
        """Return what this attack asks for; one made of attacks asks for what they do."""
        return Demands(self.knowledge, self.needs)

    def parts(self) -> tuple[Attack, ...]:
        """Return the attacks whose per-example worst case this one is; itself unless composed."""
        return (self,)

    def cost(self) -> str:
        """Return the cost formula: forward and backward passes per example."""
        raise NotImplementedError

    def passes(self) -> tuple[int, int]:
        """Return the same as numbers, (forward, backward) per example at most.

        A loss that compares with the unchanged input costs one more forward pass.
        """
        raise NotImplementedError

    def __call__(
        self, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
    ) -> Result:
        """Run to the end and return the worst point found for each example.

        Raises Unsupported if the region or the threat model's knowledge does not fit, and
        VerificationError if the search returned an input outside the set.
        """
        require(self, objective, region)
        with objective.frozen():
            before = objective.cost
            results = [
                worst(part, objective, region, part.own(rng), start) for part in self.parts()
            ]
            found = results[0]
            for other in results[1:]:
                found = keep_worst(found, other)
            audit(region, found.x_adv)
            return _confirmed(found, objective, before)

    def own(self, rng: Rng) -> Rng:
        """Return this attack's own draws: no two attacks share theirs, whatever their order."""
        return rng.fold(digest(self))


def require(attack: Attack, objective: Objective, region: Region) -> None:
    """Refuse an attack that the set or the granted knowledge does not fit, naming ones that do."""
    demands = attack.demands()
    label = describe(attack)["type"]
    if not objective.grants(demands.knowledge):
        raise Unsupported(
            f"{label} needs {demands.knowledge!s} knowledge, the threat model grants "
            f"{objective.threat.knowledge!s}: "
            f"use one of {', '.join(_fitting(objective, region)) or 'none yet'}"
        )
    for capability in demands.needs:
        if not isinstance(region, capability):
            raise Unsupported(
                f"{label} needs a set that is {capability.__name__}: "
                f"use one of {', '.join(_fitting(objective, region)) or 'none yet'}"
            )


def climb(objective: Objective, region: Region, z: Tensor, at: Rng) -> tuple[Scored, Tensor]:
    """Score z and return the gradient of its loss: one forward and one input-only backward pass."""
    z = z.detach().requires_grad_(True)
    with torch.enable_grad():
        x_adv = region.lift(z, at)
        score, grad = objective.climb(x_adv, z, at)
    point = z.detach()
    shown = point if x_adv is z else x_adv.detach()  # one tensor, kept once, where they are one
    return Scored(point, shown, score, grad), grad


def look(objective: Objective, region: Region, z: Tensor, at: Rng) -> Scored:
    """Score z without a gradient: one forward pass."""
    with torch.no_grad():
        x_adv = region.realize(z, at)
        score = objective.score(x_adv, at)
    return Scored(z, x_adv, score)


def last(
    attack: Attack, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
) -> Tensor:
    """Return x_adv (B, ...) where the search ends, not scored: what training uses.

    The walk may begin outside the set, at the start as it is given, or as the attack's own start
    has it for training; where it ends is inside.
    """
    opening = getattr(attack, "start", None)
    if start is None and isinstance(opening, Start):
        start = opening.for_training(region, rng)
    z = region.center()
    for point in attack.iterate(objective, region, rng, start):
        z = point.z
    return region.realize(z.detach(), rng)


def worst(
    attack: Attack, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
) -> Result:
    """Run to the end; return each example's worst point: a success, else the largest harm.

    A start that is outside the set is projected onto it.
    """
    best = Best(objective, region)
    start = None if start is None else region.project(start)
    for here in scored(attack.iterate(objective, region, rng, start), objective, region, rng):
        best.see(here)
    return best.result()


def first(
    attack: Attack, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
) -> Result:
    """Keep each example's first success, else its worst point; end once every example is broken.

    Same verdict as `worst` in fewer passes, and no example's point depends on its batch mates.
    """
    best = Best(objective, region, settle=True)
    start = None if start is None else region.project(start)
    for here in scored(attack.iterate(objective, region, rng, start), objective, region, rng):
        best.see(here)
        if best.all_broken():
            break
    return best.result()


class Best:
    """Keeps each example's worst point, and whether the search ever had a gradient.

    settle: look no further at an example once it is broken.
    """

    def __init__(self, objective: Objective, region: Region, *, settle: bool = False) -> None:
        self.objective = objective
        self.region = region
        self.before = objective.cost
        self.settle = settle
        self.seen = False
        self.z = self.x_adv = region.center()  # stands in until the first look
        self.loss = self.harm = torch.full_like(region.radius, -torch.inf)
        self.tie = torch.zeros_like(region.radius)
        self.lost = torch.zeros_like(region.radius, dtype=torch.bool)
        self.moved: Tensor | None = None  # (B,) bool: a gradient was usable; None: none was asked
        self.all_moved = False

    def see(self, here: Scored) -> None:
        """Take one more scored point into account.

        A harm that is not a number is never better; an example that it leaves unbroken is lost.
        """
        harm, tie = here.harm, here.tie
        nowhere = harm.isnan()
        better = beats(harm, tie, self.harm, self.tie)  # not where harm is not a number
        if self.settle:
            open_ = ~self._settled()
            nowhere, better = nowhere & open_, better & open_
        self.lost = self.lost | nowhere
        self._note_gradient(here.grad)
        if not self.seen:
            self.seen = True
            self._take_all(here)
            self.harm = harm.nan_to_num(-torch.inf, torch.inf, -torch.inf)
        elif bool(better.all()):
            self._take_all(here)
        elif bool(better.any()):
            self._take(here, better)

    def all_broken(self) -> bool:
        """Say whether every example is broken already."""
        return self.seen and bool(self._settled().all())

    def result(self) -> Result:
        """Return what was found.

        An example without success has failed if no gradient was usable, or if the model answered
        with no number somewhere: what it would do there is not known.
        """
        success = self._settled()
        failed = self.harm.isinf() | self.lost
        if self.moved is not None:
            failed = failed | ~self.moved
        return Result(
            x_adv=self.x_adv,
            z=self.z,
            harm=self.harm,
            tie=self.tie,
            loss=self.loss,
            size=self.region.size(self.z),
            failed=failed & ~success,
            lost=self.lost,
            cost=_spent(self.objective, self.before),
        )

    def _settled(self) -> Tensor:
        """Return (B,) bool: which examples are broken already."""
        return self.harm > self.tie

    def _note_gradient(self, grad: Tensor | None) -> None:
        """Remember which examples had a gradient; ask no more once all of them had."""
        if grad is None or self.all_moved:
            return
        moves = norm(grad, torch.inf) > 0
        self.moved = moves if self.moved is None else self.moved | moves
        self.all_moved = bool(self.moved.all())

    def _take_all(self, here: Scored) -> None:
        self.z, self.x_adv = here.z, here.x_adv
        self.loss, self.harm, self.tie = here.loss, here.harm, here.tie

    def _take(self, here: Scored, better: Tensor) -> None:
        wide = spread(better, here.z)
        same = here.x_adv is here.z and self.x_adv is self.z
        self.z = torch.where(wide, here.z, self.z)
        self.x_adv = self.z if same else torch.where(wide, here.x_adv, self.x_adv)
        self.loss = torch.where(better, here.loss, self.loss)
        self.harm = torch.where(better, here.harm, self.harm)
        self.tie = torch.where(better, here.tie, self.tie)


def scored(
    points: Iterator[Point], objective: Objective, region: Region, rng: Rng
) -> Iterator[Scored]:
    """Score the points that the search left unscored; end quietly when the budget is spent."""
    try:
        for point in points:
            if isinstance(point, Unscored):
                point = replace(look(objective, region, point.z, rng), grad=point.grad)
            yield point
    except BudgetSpent:
        return


def audit(region: Region, x_adv: Tensor) -> None:
    """Raise VerificationError unless every one of x_adv (B, ...) is in the set."""
    inside = region.contains(x_adv)
    if not bool(inside.all()):
        raise VerificationError(
            f"an attack returned {int((~inside).sum())} inputs outside the allowed set: this is a "
            "bug of the attack, its results are not used"
        )


def _confirmed(found: Result, objective: Objective, before: Cost) -> Result:
    """Let the judge have the last word where the search used another model."""
    if objective.judge is not objective.search:
        found = found.judged(objective.verdict(found.x_adv), found.cost)
    return replace(found, cost=_spent(objective, before))


def _spent(objective: Objective, before: Cost) -> Cost:
    return Cost(*(a - b for a, b in zip(objective.cost, before, strict=True)))


def _fitting(objective: Objective, region: Region) -> list[str]:
    return [
        name
        for name, attack in known("attack").items()
        if objective.grants(attack.knowledge)
        and all(isinstance(region, capability) for capability in attack.needs)
    ]
