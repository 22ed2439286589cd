"""The set around each example, and the capabilities that a set may have besides.

An attack names the capabilities that it needs; a set that has them can be searched by it. A
capability that comes with methods is a protocol, one that no method shows is a trait.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor

from holdfast.rng import Rng


class Trait(Enum):
    """A property of a region that no method shows."""

    VECTOR = "its points can be added and scaled: momentum, APGD"
    CONVEX = "it contains the segment between any two of its points"
    EUCLIDEAN = "its norm is the Euclidean length"
    INTEGER = "its sizes are whole numbers"


Capability = type[Any] | Trait  # a protocol below, or a trait


class Region(Protocol):
    """The set around one batch; `z` is a point of it in the space's own coordinates.

    x: (B, ...) the unchanged inputs. radius: (B,) in the units of x.
    """

    traits: ClassVar[frozenset[Trait]]
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
        """Return a concrete input of the set for z; only this input is scored."""
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
class Normed(Region, Protocol):
    """A region that is a ball of a norm, cut by the range, as minimum-norm attacks need it.

    range: (low, high) of valid inputs.
    """

    range: tuple[float, float]

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

        That is the point p that minimizes |p - z|^2 / 2 + amount * norm(p - x).
        """
        ...

    def reach(self, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Return the valid p nearest to z, in the norm, with <normal, p - z> = gap (B,) >= 0.

        Where no valid point goes so far, the one that goes farthest.
        """
        ...


@runtime_checkable
class CountsCoordinates(Normed, Protocol):
    """A region whose norm is the number of changed places: coordinates, or pixels."""

    @property
    def grid(self) -> tuple[int, int, int]:
        """Return (channels, rows, columns): numbers that are one place, and the places' layout."""
        ...

    def sum_per_place(self, values: Tensor) -> Tensor:
        """Return values (B, ...) summed over the numbers of each place, at each of them."""
        ...

    def by_place(self, values: Tensor) -> Tensor:
        """View (B, ...) as (B, channels, places)."""
        ...

    def expand_places(self, per_place: Tensor) -> Tensor:
        """Return (B, places) at every number of each place, (B, ...)."""
        ...


@runtime_checkable
class RandomCorners(Region, Protocol):
    """A region with random points at corners of the range, as sparse-RS needs them."""

    def sample(self, at: Rng) -> Tensor:
        """Return random corners in random places, (B, ...)."""
        ...

    def resample(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Return z with new random corners in about `fraction` of the places, (B, ...)."""
        ...


@runtime_checkable
class Sparse(Region, Protocol):
    """A region whose steepest steps move few coordinates: a search may choose how many."""

    def sparse_start(self, at: Rng) -> Tensor:
        """Return a random point that changes few coordinates, each visibly."""
        ...

    def sparse_step(
        self, z: Tensor, grad: Tensor, fraction: float | Tensor, share: float | Tensor
    ) -> Tensor:
        """Move the `share` of coordinates of largest gradient by fraction x radius in all."""
        ...


@runtime_checkable
class Dense(Region, Protocol):
    """A region that lets all coordinates change at once: a search by signs or by noise."""

    def cube(self) -> Tensor:
        """Return (B,): half the side of the largest cube around x in the ball, range aside."""
        ...


@runtime_checkable
class Lattice(Region, Protocol):
    """A region of so few numbers an example that a whole grid over it can be evaluated."""

    def lattice(self, counts: tuple[int, ...]) -> Iterator[Tensor]:
        """Yield every point of a grid with so many values along each kind of number, (B, ...)."""
        ...


@runtime_checkable
class LatentAudited(Protocol):
    """A region whose audit is quick if the latent point of an input is given."""

    def contains_point(self, x_adv: Tensor, z: Tensor) -> Tensor:
        """Audit in float64, (B,) bool: z is in the set and x_adv is its input."""
        ...


@runtime_checkable
class Penalized(Region, Protocol):
    """A region with a penalty on unnatural points, besides their size."""

    def penalty(self, z: Tensor) -> Tensor:
        """Return (B,): zero for the unchanged input, differentiable, in the units of the radius."""
        ...


@runtime_checkable
class Separable(Region, Protocol):
    """A region in which every part of an input changes apart from the others."""

    def leap(self, z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the point of largest linear gain along a gradient at x_adv, and each gain.

        The point is (B, k, ...), the gain (B, ...) for each part; zero where z is best already.
        """
        ...


@runtime_checkable
class Finite(Region, Protocol):
    """A region of finitely many choices, apart from random draws."""

    def choices(self, at: Rng) -> Iterator[Tensor]:
        """Yield every choice (B, ...), the unchanged input first; draws come from `at`."""
        ...


@runtime_checkable
class Placed(Region, Protocol):
    """A region whose points are a place in the image and its content there.

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
        """Return (B, P): the largest linear gain at each place, for a gradient at x."""
        ...

    def pasted(self, content: Tensor, at: Rng, covers: Tensor | None = None) -> Tensor:
        """Return the point (B, ...) that puts content (B, C, h, w) at a random place.

        covers: (B, 1, h, w), how much of each pixel the content covers.
        """
        ...


@runtime_checkable
class Boxed(Protocol):
    """A region that is a box: it is given by bounds of every coordinate."""

    def box(self) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest value of each coordinate, (B, ...) each."""
        ...


@runtime_checkable
class Searchable(Region, Protocol):
    """A region with random proposals for a search without gradients."""

    def propose_start(self, at: Rng) -> Tensor:
        """Return a start for a search without gradients, (B, ...)."""
        ...

    def propose(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Return a neighbor of z that differs in about `fraction` of its coordinates."""
        ...
