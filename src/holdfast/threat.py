"""The threat model: what may change, what counts as harm, what the attacker sees and may spend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from holdfast.errors import InputError
from holdfast.losses import Loss, Margin, best_other, of_class
from holdfast.plain import digest
from holdfast.registry import register
from holdfast.rng import Rng
from holdfast.units import Number, number

TIE = 1e-5  # of max|logit|: a harm this close to zero is a tie, neither robust nor broken


class Knowledge(StrEnum):
    """What the attacker sees of the model; each grants what the ones after it grant, and more."""

    GRADIENT = "gradient"  # white box: everything, derivatives included
    SCORE = "score"  # the logits of any input
    DECISION = "decision"  # the predicted label of any input
    TRANSFER = "transfer"  # nothing of this model; other models only

    def grants(self, needed: Knowledge) -> bool:
        """Say whether an attacker of this knowledge may run an attack that needs `needed`."""
        return _RANKS[self] <= _RANKS[needed]


_RANKS = {knowledge: rank for rank, knowledge in enumerate(Knowledge)}


class Status(StrEnum):
    """What became of one example in an evaluation."""

    CLEAN_WRONG = "clean-wrong"  # misclassified before any change
    BROKEN = "broken"  # a counterexample was found and re-verified
    MARGINAL = "marginal"  # a tie was found: not robust, listed apart
    FAILED = "failed"  # an attack could not move: says nothing, never counted as robust
    UNBROKEN = "unbroken"  # every attack ran and none succeeded
    CERTIFIED = "certified"  # proven: no counterexample exists


class Region(Protocol):
    """The set around one batch; `z` is a point of it in the space's own coordinates.

    x: (B, ...) the unchanged inputs. radius: (B,) in the units of x.
    """

    x: Tensor
    radius: Tensor

    def center(self) -> Tensor:
        """Return the unchanged inputs as a point, (B, ...)."""
        ...

    def init(self, at: Rng) -> Tensor:
        """Return a random point of the set, (B, ...)."""
        ...

    def scatter(self, at: Rng) -> Tensor:
        """Return a random point before it is made valid, (B, ...): a start for training alone."""
        ...

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        """Return the model's input for z, differentiable, perhaps relaxed."""
        ...

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        """Return a concrete input of the set for z; only what this returns is scored."""
        ...

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest point of the set."""
        ...

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Take the steepest ascent step of length fraction x radius; fraction may be (B,)."""
        ...

    def size(self, z: Tensor) -> Tensor:
        """Return (B,): how far z is from x, in the units of the radius."""
        ...

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit in float64, (B,) bool, written without `project` and `realize`."""
        ...

    def take(self, idx: Tensor) -> Self:
        """Return the region of the examples at positions `idx`."""
        ...


@runtime_checkable
class Vector(Protocol):
    """A region whose points can be added and scaled: momentum, APGD."""

    is_vector: ClassVar[bool]


@runtime_checkable
class Normed(Region, Protocol):
    """A region that is a ball of a norm, cut by the range: what a search for the nearest needs.

    range: (low, high) of valid inputs. counts: whether sizes are whole numbers.
    """

    range: tuple[float, float]
    counts: ClassVar[bool]

    def norms(self, delta: Tensor) -> Tensor:
        """Return (B,): the norm of each change."""
        ...

    def dual_norm(self, grad: Tensor) -> Tensor:
        """Return (B,): the norm dual to the region's."""
        ...

    def at(self, radius: Tensor) -> Self:
        """Return the region of another radius (B,) around the same inputs."""
        ...

    def unbounded(self) -> Self:
        """Return the region of infinite radius: all valid inputs."""
        ...

    def shrink(self, z: Tensor, amount: Tensor) -> Tensor:
        """Take the proximal step of `amount` (B,) times the norm of the change, within the range.

        That is the point p that minimises |p - z|^2 / 2 + amount * norm(p - x).
        """
        ...

    def reach(self, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Return the valid p nearest to z, in the norm, with <normal, p - z> = gap (B,) >= 0.

        Where no valid point goes so far, the one that goes farthest.
        """
        ...


@runtime_checkable
class Euclidean(Protocol):
    """A region whose norm is the Euclidean length."""

    is_euclidean: ClassVar[bool]


@runtime_checkable
class Convex(Protocol):
    """A region that holds what lies between any two of its points."""

    is_convex: ClassVar[bool]


@runtime_checkable
class Counting(Protocol):
    """A region whose norm counts the places that change: coordinates, or pixels."""

    is_counting: ClassVar[bool]

    @property
    def grid(self) -> tuple[int, int, int]:
        """Return (channels, rows, columns): numbers that are one place, and the places' layout."""
        ...

    def together(self, values: Tensor) -> Tensor:
        """Return values (B, ...) summed over the numbers of each place, at each of them."""
        ...

    def by_place(self, values: Tensor) -> Tensor:
        """View (B, ...) as (B, channels, places)."""
        ...

    def numbers(self, per_place: Tensor) -> Tensor:
        """Return (B, places) at every number of each place, (B, ...)."""
        ...


@runtime_checkable
class Paintable(Protocol):
    """A region in which places change to corners of the range: sparse-RS."""

    def paint(self, at: Rng) -> Tensor:
        """Return random corners in random places, (B, ...)."""
        ...

    def repaint(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Return z with about `fraction` of what may change painted anew, (B, ...)."""
        ...


@runtime_checkable
class Sparse(Protocol):
    """A region whose steepest steps move few coordinates: a search may choose how many."""

    def sparse_step(
        self, z: Tensor, grad: Tensor, fraction: float | Tensor, share: float | Tensor
    ) -> Tensor:
        """Move the `share` of coordinates of largest gradient by fraction x radius in all."""
        ...


@runtime_checkable
class Dense(Protocol):
    """A region that lets all coordinates change at once: a search by signs or by noise."""

    def cube(self) -> Tensor:
        """Return (B,): half the side of the largest cube around x in the ball, range aside."""
        ...


@runtime_checkable
class Lattice(Protocol):
    """A region of so few numbers an example that a grid over it can be tried to the end."""

    def lattice(self, counts: tuple[int, ...]) -> Iterator[Tensor]:
        """Yield every point of a grid with so many values along each kind of number, (B, ...)."""
        ...


@runtime_checkable
class Witnessed(Protocol):
    """A region whose audit is quick where the point behind an input is at hand."""

    def shows(self, x_adv: Tensor, z: Tensor) -> Tensor:
        """Audit in float64, (B,) bool: z is in the set and x_adv is its input."""
        ...


@runtime_checkable
class Penalised(Protocol):
    """A region that says how unnatural a point looks, beside how far it is."""

    def penalty(self, z: Tensor) -> Tensor:
        """Return (B,): zero for the unchanged input, differentiable, in the units of the radius."""
        ...


@runtime_checkable
class Separable(Region, Protocol):
    """A region in which every part of an input changes apart from the others."""

    def leap(self, z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return where each part is best along a gradient at x_adv, and what it adds there.

        The point is (B, k, ...), the gain (B, ...) for each part; zero where z is best already.
        """
        ...


@runtime_checkable
class Finite(Protocol):
    """A region of finitely many choices, but for what they draw."""

    def choices(self, at: Rng) -> Iterator[Tensor]:
        """Yield every choice (B, ...), the unchanged input first; draws come from `at`."""
        ...


@runtime_checkable
class Placed(Region, Protocol):
    """A region whose points are a place in the image and what is put there.

    sides: how many rows and columns are covered. range: (low, high) of valid inputs.
    """

    sides: tuple[int, int]
    range: tuple[float, float]

    def places(self) -> Tensor:
        """Return (P, 2): every place, as first row and column."""
        ...

    def fixed(self, place: Tensor) -> Region:
        """Return the box of all contents at the places (B, 2); its points are inputs."""
        ...

    def point(self, place: Tensor, x_adv: Tensor) -> Tensor:
        """Return the point (B, ...) of an input of the box at those places."""
        ...

    def promise(self, grad: Tensor) -> Tensor:
        """Return (B, P): how much the best content of each place adds along a gradient at x."""
        ...

    def pasted(self, content: Tensor, at: Rng, covers: Tensor | None = None) -> Tensor:
        """Return the point (B, ...) that puts content (B, C, h, w) at a random place.

        covers: (B, 1, h, w), how much of each pixel the content covers.
        """
        ...


@runtime_checkable
class Boxed(Protocol):
    """A region that is a box: bounds of every coordinate say all of it."""

    def box(self) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest value of each coordinate, (B, ...) each."""
        ...


@runtime_checkable
class Searchable(Protocol):
    """A region that proposes changes to a search that sees no gradient."""

    def propose_start(self, at: Rng) -> Tensor:
        """Return a start for a search without gradients, (B, ...)."""
        ...

    def propose(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Return a neighbour of z that differs in about `fraction` of its coordinates."""
        ...


class Space:
    """One family of allowed changes; owns the valid range; never sees a model.

    Subclasses are frozen dataclasses with at least `eps` (as written) and `range`.
    """

    kind: ClassVar[str] = "space"
    eps: Number
    range: tuple[float, float]

    @property
    def radius(self) -> float:
        """Return eps as a number, in the units of the data."""
        return number(self.eps)

    @property
    def digest(self) -> str:
        """Return the sha256 of this space's canonical JSON."""
        return digest(self)

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> Region:
        """Return the set around a batch; radius per example (B,), or one number, or eps."""
        raise NotImplementedError

    def sentence(self) -> str:
        """Return the set in words, for claims and reports."""
        raise NotImplementedError


def check_ball(space: Space, name: str, widest: float, fix: str) -> None:
    """Refuse an eps that is not positive or that spans more than the whole range."""
    low, high = space.range
    if not low < high:
        raise InputError(f"range must be (low, high) with low < high, got {space.range}")
    if not 0 < space.radius <= widest:
        raise InputError(
            f"{name}: eps must be in (0, {widest:g}], got {space.eps}; inputs are in "
            f"{low:g}..{high:g}: {fix}"
        )


def radii(radius: float | Tensor | None, space: Space, x: Tensor) -> Tensor:
    """Return (B,) radii in x's dtype from one number, one per example, or the space's eps."""
    if radius is None:
        radius = space.radius
    values = torch.as_tensor(radius, dtype=x.dtype, device=x.device)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != len(x)):
        raise InputError(
            f"radius must be one number or one per example ({len(x)}), got shape "
            f"{tuple(values.shape)}"
        )
    if not bool((values >= 0).all()):
        raise InputError(f"radius must be 0 or more, got {float(values.min()):g}")
    return values.expand(len(x))


class Aim(NamedTuple):
    """Where a search is to go from the label, each (B,) int64, with what it may compare with."""

    y: Tensor
    targets: Tensor | None = None  # what the goal asks for
    steer: Tensor | None = None  # a class that an untargeted search should try
    reference: Tensor | None = None  # (B, K) logits of the unchanged inputs


class Goal:
    """What counts as harm; subclasses are frozen dataclasses registered as "goal"."""

    kind: ClassVar[str] = "goal"
    rejects: ClassVar[bool] = False  # whether the last logit is a score to reject by, not a class

    def harm(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> Tensor:
        """Return (B,): what the attacker wants, positive where the goal is reached."""
        raise NotImplementedError

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        """Return (B,): `loss` in the form that serves this goal."""
        raise NotImplementedError

    def targets(self, y: Tensor) -> Tensor | None:
        """Return the goal's own targets (B,) for the labels y, or None."""
        return None

    def applies(self, y: Tensor) -> Tensor:
        """Return (B,) bool: which examples the attacker cares about."""
        return torch.ones_like(y, dtype=torch.bool)

    def classes(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return (B, K): a logit for each class, of which the label's must be exceeded."""
        return logits

    def sentence(self) -> str:
        """Return the goal in words, for claims and reports."""
        raise NotImplementedError


@register("goal")
@dataclass(frozen=True, kw_only=True)
class Untargeted(Goal):
    """Any wrong class will do; a class may steer the search, the verdict stays the same."""

    def harm(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> Tensor:
        return best_other(logits, y) - of_class(logits, y)

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        if aim.steer is None:
            return loss.away(logits, aim.y, aim.reference)
        return loss.towards(logits, aim.y, aim.steer, aim.reference)

    def sentence(self) -> str:
        return "untargeted"


@register("goal")
@dataclass(frozen=True, kw_only=True)
class Undetected(Goal):
    """Any wrong class that the model does not reject; for a model that may (`models.Rejecting`).

    The last logit is what it rejects by, where it is the largest. What must be exceeded is the
    label's logit and that one: the larger of the two stands for the label, so every loss and every
    attack serves this goal (Carlini and Wagner, 2017, arXiv:1705.07263, sec. 3).
    """

    rejects: ClassVar[bool] = True

    def harm(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> Tensor:
        seen = self.classes(logits, y)
        return best_other(seen, y) - of_class(seen, y)

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        seen = self._merged(loss, logits, aim.y)
        if aim.steer is None:
            return loss.away(seen, aim.y, aim.reference)
        return loss.towards(seen, aim.y, aim.steer, aim.reference)

    def classes(self, logits: Tensor, y: Tensor) -> Tensor:
        return self._merged(DEFAULT_LOSS, logits, y)

    def sentence(self) -> str:
        return "wrong and not rejected"

    @staticmethod
    def _merged(loss: Loss, logits: Tensor, y: Tensor) -> Tensor:
        """Return (B, K): in the label's place what stands for label and rejection."""
        classes, reject = logits[:, :-1], logits[:, -1]
        merged = loss.merge(of_class(classes, y), reject, classes)
        return classes.scatter(1, y[:, None], merged[:, None])


@register("goal")
@dataclass(frozen=True, kw_only=True)
class Targeted(Goal):
    """The target class and no other will do; examples of that class are left alone."""

    to: int | None = None  # one class for all; None: targets come with the batch

    def harm(self, logits: Tensor, y: Tensor, targets: Tensor | None) -> Tensor:
        wanted = self._wanted(targets)
        return of_class(logits, wanted) - best_other(logits, wanted)

    def loss(self, loss: Loss, logits: Tensor, aim: Aim) -> Tensor:
        wanted = self._wanted(aim.targets)
        others = logits.detach().scatter(1, wanted[:, None], -torch.inf)
        return loss.towards(logits, others.argmax(1), wanted, aim.reference)

    def targets(self, y: Tensor) -> Tensor | None:
        return None if self.to is None else torch.full_like(y, self.to)

    def applies(self, y: Tensor) -> Tensor:
        return torch.ones_like(y, dtype=torch.bool) if self.to is None else y != self.to

    def sentence(self) -> str:
        return "targeted" if self.to is None else f"targeted at class {self.to}"

    def _wanted(self, targets: Tensor | None) -> Tensor:
        if targets is None:
            raise InputError(
                "a targeted goal needs targets: pass targets=... or Targeted(to=class)"
            )
        return targets


def tolerance(logits: Tensor) -> Tensor:
    """Return (B,): how large a harm must be to count, TIE x max|logit|."""
    return TIE * logits.detach().abs().amax(1)


@dataclass(frozen=True)
class ThreatModel:
    """What the attacker may change, wants, sees and may spend; eps is written here alone."""

    space: Space
    goal: Goal = field(default_factory=Untargeted, kw_only=True)
    knowledge: Knowledge = field(default=Knowledge.GRADIENT, kw_only=True)
    queries: int | None = field(default=None, kw_only=True)  # per example; None: not limited
    kind: ClassVar[str] = "threat"

    def __post_init__(self) -> None:
        if not isinstance(self.space, Space):
            raise InputError(f"space must be a set such as Linf(eps='8/255'), got {self.space!r}")
        object.__setattr__(self, "knowledge", Knowledge(self.knowledge))
        if self.queries is not None and self.queries < 1:
            raise InputError(f"queries must be at least 1 or None, got {self.queries}")

    @property
    def digest(self) -> str:
        """Return the sha256 of this threat model's canonical JSON."""
        return digest(self)

    def with_eps(self, eps: Number) -> ThreatModel:
        """Return the same threat model with another eps."""
        space: Any = self.space
        return dataclasses.replace(self, space=dataclasses.replace(space, eps=eps))

    def sentence(self) -> str:
        """Return the threat model in words: set, range, goal, knowledge, budget."""
        sees = "white box (gradient)" if self.knowledge is Knowledge.GRADIENT else self.knowledge
        limit = "" if self.queries is None else f", at most {self.queries} queries"
        return f"{self.space.sentence()}, {self.goal.sentence()}, {sees}{limit}"


register("threat", name="threat_model")(ThreatModel)

DEFAULT_LOSS: Loss = Margin()  # what an attack climbs when neither it nor its caller says
