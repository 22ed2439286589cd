"""The L0 ball: at most eps coordinates change, each as far as the range allows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.errors import InputError
from holdfast.registry import register
from holdfast.rng import Rng
from holdfast.spaces import solve
from holdfast.spaces.ball import Ball, as_float, norm, spread
from holdfast.threat import Space, check_ball, radii
from holdfast.units import Number

LENGTH = 20.0  # mean change of a step of 1, in widths of the range


@register("space")
@dataclass(frozen=True, kw_only=True)
class L0(Space):
    """At most eps coordinates change, each to anything in `range`.

    eps: a whole number of coordinates. Every number of the input is one: a pixel of a colour image
    has three, as in AttackBench and sigma-zero (others count pixels). Raises InputError unless eps
    is 1 or more; an eps beyond the number of coordinates is refused when the inputs are known.
    """

    eps: Number
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "L0", float("inf"), "write a number of coordinates such as 10")
        if self.radius != round(self.radius):
            raise InputError(f"L0: eps counts coordinates, got {self.eps}: write a whole number")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> L0Region:
        x = as_float(x)
        if radius is None:
            check_ball(self, "L0", prod(x.shape[1:]), f"an input has {prod(x.shape[1:])} numbers")
        return L0Region(x, radii(radius, self, x), self.range)

    def sentence(self) -> str:
        return f"L0 eps={self.eps} coordinates, inputs in {self.range[0]:g}..{self.range[1]:g}"


class L0Region(Ball):
    """Inputs that differ in few coordinates; a radius that is no whole number is rounded down."""

    counts: ClassVar[bool] = True
    is_counting: ClassVar[bool] = True

    def scatter(self, at: Rng) -> Tensor:
        """Return random values of the range in as many random coordinates as may change."""
        shape = tuple(self.x.shape[1:])
        rank = 1 + at.fold("where").uniform(shape).flatten(1)
        values = at.fold("value").uniform(shape, *self.range).to(self.x.dtype)
        chosen = solve.largest(rank, self.radius)
        return torch.where(chosen.reshape(self.x.shape), values, self.x)

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest point: the changes whose undoing would be farthest are kept."""
        change = (z - self.x).flatten(1)
        valid = z.clamp(*self.range).flatten(1)
        kept = valid - self.x.flatten(1)
        beyond = change - kept  # what the range takes away in any case
        worth = (change.abs() - beyond.abs()) * (change.abs() + beyond.abs())
        chosen = solve.largest(worth, self.radius)
        return torch.where(chosen, valid, self.x.flatten(1)).reshape(z.shape)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move along the gradient, by 20 x fraction x range in the mean over the coordinates.

        The radius does not bound how far a coordinate goes, so it sets no scale. The step must be
        longer than the range: a coordinate that has not changed yet competes with those that have
        (PGD_0; Croce and Hein, 2019, arXiv:1909.05040, sec. 3.2).
        """
        mean = norm(grad, 1) / prod(grad.shape[1:])
        unit = grad / spread(torch.where(mean > 0, mean, 1.0), grad)
        length = torch.as_tensor(fraction * (self.range[1] - self.range[0]), dtype=z.dtype)
        return z + unit * spread(LENGTH * length.to(z.device).expand(len(z)), z)

    def norms(self, delta: Tensor) -> Tensor:
        return (delta != 0).flatten(1).sum(1).to(delta.dtype)

    def dual_norm(self, grad: Tensor) -> Tensor:
        """Return (B,): the Linf norm, which bounds what changing one coordinate by one can gain."""
        return norm(grad, torch.inf)

    def shrink(self, z: Tensor, amount: Tensor) -> Tensor:
        """Undo every change that is worth less than `amount`, half its square, within the range."""
        change = z - self.x
        valid = z.clamp(*self.range)
        worth = (change.square() - (z - valid).square()) / 2
        return torch.where(worth > spread(amount, z), valid, self.x)

    def reach(self, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Move the coordinates that can gain most as far as the range goes, the last in part."""
        flat = normal.flatten(1)
        room = self._room(z, flat)
        gains = flat.abs() * room
        return self._moved(z, solve.fill(gains, gains, gap) * room * flat.sign())
