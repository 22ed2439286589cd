"""The L2 ball: the Euclidean length of the change is at most eps."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod, sqrt
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.rng import Rng
from holdfast.spaces.norm_balls import projections, square_windows
from holdfast.spaces.norm_balls.ball import Ball
from holdfast.tensors import as_float, expand_like, norm, select, towards
from holdfast.threat import Space, Trait, check_ball, radii, warn_if_tiny
from holdfast.tree import take
from holdfast.units import Number

_FAR = 1e30  # so many times a change: past the range
_INSIDE = 1.0 - 2e-7  # aim just inside the ball, so that float32 rounding stays within the audit


@register("space")
@dataclass(frozen=True, kw_only=True)
class L2(Space):
    """The change has Euclidean length at most eps and the result stays in `range`.

    eps: in the units of the data, over all coordinates of one example. Raises InputError unless
    0 < eps; an eps beyond the diagonal of the input is refused when the inputs are known.
    """

    lengths: ClassVar[bool] = True

    eps: Number
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "L2", float("inf"), "write a positive length such as 0.5")
        warn_if_tiny(self)

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> L2Region:
        x = as_float(x)
        if radius is None:
            diagonal = (self.range[1] - self.range[0]) * sqrt(prod(x.shape[1:]))
            check_ball(
                self, "L2", diagonal, f"no two inputs of this shape differ by over {diagonal:g}"
            )
        return L2Region(x, radii(radius, self, x), self.range)

    def sentence(self) -> str:
        return f"L2 eps={self.eps_text}, inputs in {self.range[0]:g}..{self.range[1]:g}"


class L2Region(Ball):
    """A Euclidean ball cut by the range; the projection onto both together is exact."""

    traits = Ball.traits | {Trait.CONVEX, Trait.EUCLIDEAN}

    def scatter(self, at: Rng) -> Tensor:
        shape = tuple(self.x.shape[1:])
        direction = at.fold("direction").normal(shape).to(self.x.dtype)
        reach = at.fold("reach").uniform().to(self.x.dtype) ** (1.0 / prod(shape))
        return self.step(self.x, direction, reach)

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest point of ball and range: clip(s * change) for the right s in [0, 1].

        Setting the coordinates that clip at the present s aside and solving for s over the others
        raises s monotonically, never past the solution, and ends after finitely many rounds; the
        plain "scale, then clip" is its first round.
        """
        low, high = self.range
        valid = z.clamp(low, high)
        if self.free:
            return valid
        inside = self.norms(valid - self.x) <= self.radius
        if bool(inside.all()):
            return valid
        bottom, top, change = low - self.x, high - self.x, z - self.x
        scale = _root(self.radius * _INSIDE, change, bottom, top)
        shrunk = change.mul_(expand_like(scale, z)).clamp_(bottom, top)
        return select(inside, valid, self._add(shrunk).clamp_(low, high))

    def _add(self, change: Tensor) -> Tensor:
        """Return x + change; rounded towards x where rounding to nearest would leave the ball."""
        moved = self.x + change
        rows = (self.norms(moved - self.x) > self.radius).nonzero().squeeze(1)
        if not len(rows):
            return moved
        back = towards(take(self.x, rows), take(moved, rows), take(change, rows))
        return moved.index_copy_(0, rows, back)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move by fraction x radius along the gradient; a zero gradient moves nothing."""
        length = self.norms(grad)  # its squares are in float64: those of 1e-30 do not underflow
        scale = self.radius * fraction / length.clamp_min(1e-37)
        return torch.addcmul(z, grad, expand_like(scale, z))

    def norms(self, delta: Tensor) -> Tensor:
        return norm(delta, 2)

    def dual_norm(self, grad: Tensor) -> Tensor:
        """Return (B,): the L2 norm, its own dual."""
        return self.norms(grad)

    def shrink(self, z: Tensor, amount: Tensor) -> Tensor:
        """Shorten the change by `amount`, at most to nothing, within the range."""
        change = z - self.x
        length = self.norms(change).clamp_min(1e-30)
        left = (1 - amount / length).clamp_min(0)
        return (self.x + change * expand_like(left, z)).clamp(*self.range)

    def reach(self, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Move along the normal, coordinates that meet the range set aside, exactly `gap` far."""
        flat = normal.flatten(1)
        room, size = self._room(z, flat), flat.abs()
        t = projections.level(room / size.clamp_min(1e-30), size.square(), gap)
        return self._moved(z, torch.minimum(size * t[:, None], room).mul_(flat.sign()))

    def cube(self) -> Tensor:
        """Return (B,): the radius over the root of the number of coordinates."""
        return self.radius / sqrt(prod(self.x.shape[1:]))

    def propose_start(self, at: Rng) -> Tensor:
        """Return a grid of five by five bumps of random sign (Andriushchenko et al., 2020, 3.4)."""
        return self._on_sphere(square_windows.bumps(self.x, at))

    def propose(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Move the mass of one window and the unused budget into another (ibid., algorithm 3)."""
        moved = square_windows.move_mass(z - self.x, self.radius, at, fraction, order=2, least=3)
        return self._on_sphere(moved)

    def _on_sphere(self, change: Tensor) -> Tensor:
        """Return the point at distance radius along `change`, brought back into the range."""
        length = self.norms(change).clamp_min(1e-12)
        return self.project(self.x + change * expand_like(self.radius / length, change))


def _root(radius: Tensor, change: Tensor, bottom: Tensor, top: Tensor) -> Tensor:
    """Return (B,): the s in [0, 1] at which clip(s * change) has length `radius`.

    All in squares: a coordinate clips once s^2 * change^2 has reached its room^2.
    """
    change, bottom, top = change.flatten(1), bottom.flatten(1), top.flatten(1)
    squared, goal = change.square(), radius.square()
    room = (change * _FAR).clamp_(bottom, top).square_()
    scale = (goal / squared.sum(1).clamp_min(1e-38)).clamp_max(1.0)  # a square, as all here
    moved, stuck = torch.empty_like(change), torch.empty_like(change)
    for _ in range(100):
        torch.mul(squared, scale[:, None], out=moved)
        torch.ge(moved, room, out=stuck)  # 1 or 0
        taken = torch.mul(room, stuck, out=moved).sum(1)
        free = stuck.neg_().add_(1).mul_(squared).sum(1)
        better = ((goal - taken).clamp_min(0) / free.clamp_min(1e-38)).clamp_max(1.0)
        better = torch.maximum(scale, better)
        if torch.equal(better, scale):
            break
        scale = better
    return scale.sqrt()
