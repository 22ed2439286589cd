"""Base class of the L0 balls: few places change, coordinates or pixels in all their channels."""

from __future__ import annotations

from abc import abstractmethod
from math import prod

import torch
from torch import Tensor

from holdfast.errors import InputError
from holdfast.rng import Rng
from holdfast.spaces.norm_balls import projections
from holdfast.spaces.norm_balls.ball import Ball
from holdfast.tensors import as_mask, expand_like, norm, safe_divide
from holdfast.threat import Space, Trait, check_ball

LENGTH = 20.0  # mean change of a step of 1, in widths of the range


def check_count(space: Space, name: str, what: str) -> None:
    """Refuse an eps that is no whole number of at least 1."""
    check_ball(space, name, float("inf"), f"write a number of {what} such as 10")
    if space.radius != round(space.radius):
        raise InputError(f"{name}: eps counts {what}, got {space.eps}: write a whole number")


class CardinalityBall(Ball):
    """Inputs that differ in few places; a radius that is no whole number is rounded down.

    A place is the numbers that count as one: `grid[0]` of them, one in each channel.
    """

    traits = Ball.traits | {Trait.INTEGER}

    @property
    @abstractmethod
    def grid(self) -> tuple[int, int, int]:
        """Return (channels, rows, columns) of an example: numbers of a place, and their layout."""

    def scatter(self, at: Rng) -> Tensor:
        """Return random values of the range in as many random places as may change."""
        values = at.fold("value").uniform(tuple(self.x.shape[1:]), *self.range).to(self.x.dtype)
        chosen = projections.largest(1 + self._draw(at.fold("where")), self.radius)
        return torch.where(self.expand_places(chosen), values, self.x)

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest point: the changes whose undoing would be farthest are kept."""
        valid = z.clamp(*self.range)
        change, kept = z - self.x, valid - self.x
        beyond = change - kept  # cut off by the range in any case
        worth = (change.abs() - beyond.abs()) * (change.abs() + beyond.abs())
        chosen = projections.among_largest(self._sums(worth), self.radius)
        return torch.lerp(self.x, valid, self.expand_places(chosen))

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move along the gradient, by 20 x fraction x range in the mean over the coordinates.

        The radius does not bound how far a coordinate goes, so it sets no scale. The step must be
        longer than the range: a coordinate that has not changed yet competes with those that have
        (PGD_0; Croce and Hein, 2019, arXiv:1909.05040, sec. 3.2).
        """
        mean = norm(grad, 1) / prod(grad.shape[1:])
        unit = safe_divide(grad, mean)
        length = torch.as_tensor(fraction * (self.range[1] - self.range[0]), dtype=z.dtype)
        return z + unit * expand_like(LENGTH * length.to(z.device).expand(len(z)), z)

    def norms(self, delta: Tensor) -> Tensor:
        changed = self.by_place(as_mask(torch.ne, delta.detach(), 0))
        return changed.amax(1).sum(1) if self.grid[0] > 1 else changed[:, 0].sum(1)

    def dual_norm(self, grad: Tensor) -> Tensor:
        """Return (B,): the largest gain of changing one place by one in every channel."""
        return self._sums(grad.abs()).amax(1)

    def sum_per_place(self, values: Tensor) -> Tensor:
        """Return values (B, ...) summed over the numbers of each place, at each of them."""
        parts = self.by_place(values)
        return parts.sum(1, keepdim=True).expand_as(parts).reshape(values.shape)

    def by_place(self, values: Tensor) -> Tensor:
        """View (B, ...) as (B, channels, places)."""
        channels, rows, columns = self.grid
        return values.reshape(len(values), channels, rows * columns)

    def expand_places(self, per_place: Tensor) -> Tensor:
        """Return (B, places) at every number of each place, (B, ...)."""
        wide = per_place[:, None].expand(-1, self.grid[0], -1)
        return wide.reshape(self.x.shape)

    def shrink(self, z: Tensor, amount: Tensor) -> Tensor:
        """Undo every change that is worth less than `amount`, half its square, within the range."""
        change = z - self.x
        valid = z.clamp(*self.range)
        worth = self.sum_per_place((change.square() - (z - valid).square()) / 2)
        return torch.where(worth > expand_like(amount, z), valid, self.x)

    def reach(self, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Move the places that can gain most as far as the range goes, the last in part."""
        flat = normal.flatten(1)
        room = self._room(z, flat)
        gains = self._sums(flat.abs() * room)
        share = self.expand_places(projections.fractional_knapsack(gains, gains, gap)).flatten(1)
        return self._moved(z, share * room * flat.sign())

    def sample(self, at: Rng) -> Tensor:
        """Return random corners of the range in as many random places as may change."""
        chosen = projections.largest(1 + self._draw(at.fold("where")), self.radius)
        return torch.where(self.expand_places(chosen), self._colors(at), self.x)

    def resample(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Undo a `fraction` of the changes, at least one, and change as many places elsewhere.

        An unused part of the radius is filled, too. Where no other places are left, the undone ones
        are drawn anew.
        """
        painted = self.by_place(z != self.x).any(1)
        most = self.radius.floor().clamp_max(painted.shape[1])
        undone = projections.largest(
            torch.where(painted, 1 + self._draw(at.fold("undo")), 0.0),
            (fraction * most).floor().clamp_min(1),
        )
        left = painted & ~undone
        order = 1 + self._draw(at.fold("where")) + (~painted).to(z.dtype)
        fresh = projections.largest(
            torch.where(left, 0.0, order), (most - left.sum(1)).clamp_min(0)
        )
        z = torch.where(self.expand_places(undone), self.x, z)
        return torch.where(self.expand_places(fresh), self._colors(at), z)

    def _colors(self, at: Rng) -> Tensor:
        """Return a random corner of the range at every place, never the value of x there."""
        low, high = self.x.new_tensor(self.range)
        up = at.fold("color").sign(tuple(self.x.shape[1:])) > 0
        same = self.by_place(torch.where(up, high, low) == self.x).all(1)
        return torch.where(up ^ self.expand_places(same), high, low)

    def _draw(self, at: Rng) -> Tensor:
        """Return (B, places): uniform numbers."""
        _, rows, columns = self.grid
        return at.uniform((rows * columns,))

    def _sums(self, values: Tensor) -> Tensor:
        """Return (B, places): values (B, ...) summed over the numbers of each place."""
        parts = self.by_place(values)
        return parts.sum(1) if self.grid[0] > 1 else parts[:, 0]
