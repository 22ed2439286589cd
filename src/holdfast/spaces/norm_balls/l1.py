"""The L1 ball: the absolute changes of all coordinates add up to at most eps."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.rng import Rng
from holdfast.spaces.norm_balls import projections, square_windows
from holdfast.spaces.norm_balls.ball import Ball
from holdfast.tensors import as_float, expand_like, norm, select, towards
from holdfast.threat import Space, Trait, check_ball, radii, warn_if_tiny
from holdfast.units import Number

_INSIDE = 1.0 - 2e-7  # aim just inside the ball, so that float32 rounding stays within the audit


@register("space")
@dataclass(frozen=True, kw_only=True)
class L1(Space):
    """The absolute changes of all coordinates sum to at most eps; the result stays in `range`.

    eps: in the units of the data, over all coordinates of one example. Raises InputError unless
    0 < eps; an eps beyond the largest change of the input is refused when the inputs are known.
    """

    lengths: ClassVar[bool] = True

    eps: Number
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "L1", float("inf"), "write a positive length such as 12")
        warn_if_tiny(self)

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> L1Region:
        x = as_float(x)
        if radius is None:
            widest = (self.range[1] - self.range[0]) * prod(x.shape[1:])
            check_ball(self, "L1", widest, f"no two inputs of this shape differ by over {widest:g}")
        return L1Region(x, radii(radius, self, x), self.range)

    def sentence(self) -> str:
        return f"L1 eps={self.eps_text}, inputs in {self.range[0]:g}..{self.range[1]:g}"


class L1Region(Ball):
    """A cross-polytope cut by the range; the projection onto both together is exact."""

    traits = Ball.traits | {Trait.CONVEX}

    def scatter(self, at: Rng) -> Tensor:
        shape = tuple(self.x.shape[1:])
        unit = at.fold("direction").uniform(shape).to(self.x.dtype)
        mass = -(1 - unit).log()  # exponential draws over their sum are uniform on the simplex
        mass = mass / expand_like(norm(mass, 1).clamp_min(1e-30), mass)
        reach = at.fold("reach").uniform().to(self.x.dtype) ** (1.0 / prod(shape))
        sign = at.fold("sign").sign(shape).to(self.x.dtype)
        return self.x + sign * mass * expand_like(self.radius * reach, mass)

    def sparse_start(self, at: Rng) -> Tensor:
        """Return Gaussian noise as wide as the range, projected: few coordinates, changed visibly.

        A uniform draw from the ball changes all of many coordinates by next to nothing, and a walk
        is long in finding the few that matter (Croce and Hein, 2021, start elsewhere, too).
        """
        width = self.range[1] - self.range[0]
        noise = at.fold("noise").normal(tuple(self.x.shape[1:])).to(self.x.dtype)
        return self.project(self.x + width * noise)

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest point of ball and range together.

        Its change is sign(u) * clip(|u| - t, 0, room) for the change u of z, with the room that the
        range leaves in that direction, and the t >= 0 at which the sum is the radius.
        """
        low, high = self.range
        valid = z.clamp(low, high)
        if self.free:
            return valid
        inside = self.norms(valid - self.x) <= self.radius
        if bool(inside.all()):
            return valid
        change = (z - self.x).flatten(1).double()
        size, room = change.abs(), self._room(self.x, change).double()
        t = projections.threshold(size, room, self.radius.double() * _INSIDE)
        left = torch.minimum((size - t[:, None]).clamp_min_(0), room)
        left.mul_((self.radius > 0)[:, None].to(left.dtype))
        shrunk = left.mul_(change.sign()).to(z.dtype).reshape(z.shape)
        moved = towards(self.x, self.x + shrunk, shrunk)
        return select(inside, valid, moved.clamp_(low, high))

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move the coordinates of largest gradient alike, by fraction x radius in all.

        As many as take the whole radius at the full width of the range, or as would take the step
        at half of it, which is the room that they have in the mean. Coordinates that are at the end
        of the range already are left out (SLIDE; Tramer and Boneh, 2019, arXiv:1904.13000, 2.4).
        """
        least = self.radius / (self.range[1] - self.range[0])
        count = torch.maximum(least, 2 * least * fraction)
        usable = self._room(z, grad).sign_().mul_(grad.flatten(1))
        return self.sparse_step(z, usable, fraction, count / prod(grad.shape[1:]))

    def sparse_step(
        self, z: Tensor, grad: Tensor, fraction: float | Tensor, share: float | Tensor
    ) -> Tensor:
        """Move the `share` of coordinates of largest gradient alike, by fraction x radius in all.

        Those at the end of the range move too: the projection takes the same off every coordinate,
        and this keeps them there. At least half as many as `share` says can move on.
        """
        flat = grad.flatten(1)
        wanted = torch.as_tensor(share * flat.shape[1], device=z.device)
        count = (wanted + 1e-3).floor().clamp_min(1).expand(len(z))  # 3 x 1/3 is 3
        size = flat.abs()
        free = self._room(z, flat).sign_().mul_(size)
        moving = projections.among_largest(free, (count / 2).ceil())
        chosen = projections.among_largest(size, count).maximum(moving)
        each = self.radius * fraction / chosen.sum(1).clamp_min(1)
        move = chosen.mul_(flat.sign()).mul_(each[:, None])
        return z + move.reshape(z.shape)

    def norms(self, delta: Tensor) -> Tensor:
        return norm(delta, 1)

    def dual_norm(self, grad: Tensor) -> Tensor:
        """Return (B,): the Linf norm."""
        return norm(grad, torch.inf)

    def shrink(self, z: Tensor, amount: Tensor) -> Tensor:
        """Take `amount` off every coordinate of the change, none across zero, within the range."""
        change = z - self.x
        left = (change.abs() - expand_like(amount, z)).clamp_min(0)
        return (self.x + left * change.sign()).clamp(*self.range)

    def reach(self, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Move the coordinates of largest |normal| as far as the range goes, the last in part."""
        flat = normal.flatten(1)
        room = self._room(z, flat)
        share = projections.fractional_knapsack(flat.abs(), flat.abs() * room, gap)
        return self._moved(z, share * room * flat.sign())

    def propose_start(self, at: Rng) -> Tensor:
        """Return a grid of five by five bumps of random sign, as in L2."""
        return self._on_sphere(square_windows.bumps(self.x, at))

    def propose(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Move the mass of one window and the unused budget into another, as in L2.

        L1-Square (Croce and Hein, 2021, arXiv:2103.01208, appendix) is the L2 search with masses
        that add up as absolute values do, with the exact projection, and with windows down to one
        coordinate instead of three by three: the best changes in L1 are sparse.
        """
        moved = square_windows.move_mass(z - self.x, self.radius, at, fraction, order=1, least=1)
        return self._on_sphere(moved)

    def _on_sphere(self, change: Tensor) -> Tensor:
        """Return the point at distance radius along `change`, brought back into the range."""
        length = self.norms(change).clamp_min(1e-12)
        return self.project(self.x + change * expand_like(self.radius / length, change))
