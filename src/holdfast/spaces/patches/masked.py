"""Patches and stickers: anything inside a given mask, nothing outside of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.rng import Rng
from holdfast.spaces.norm_balls.square_windows import Windows, sides
from holdfast.tensors import as_float, as_image, expand_like, norm
from holdfast.threat import Space, Trait, check_ball, radii
from holdfast.tree import take
from holdfast.units import Number


class Shape:
    """The interface of every shape; subclasses are frozen dataclasses, in shares of the sides."""

    kind: ClassVar[str] = "shape"

    def covers(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return (H, W) bool: which places are inside; rows (H, 1) and columns (1, W) in 0..1."""
        raise NotImplementedError


@register("shape")
@dataclass(frozen=True, kw_only=True)
class Rectangle(Shape):
    """A box with sides along those of the image."""

    top: float = 0.0  # first row, as a share of the height
    left: float = 0.0  # first column, as a share of the width
    height: float = 0.25
    width: float = 0.25

    def covers(self, rows: Tensor, columns: Tensor) -> Tensor:
        down = (rows >= self.top) & (rows < self.top + self.height)
        return down & (columns >= self.left) & (columns < self.left + self.width)


@register("shape")
@dataclass(frozen=True, kw_only=True)
class Circle(Shape):
    """A disc; an ellipse where the image is no square."""

    row: float = 0.5  # of the center, as a share of the height
    column: float = 0.5  # of the center, as a share of the width
    radius: float = 0.2  # as a share of each side

    def covers(self, rows: Tensor, columns: Tensor) -> Tensor:
        return (rows - self.row).square() + (columns - self.column).square() <= self.radius**2


@register("shape")
@dataclass(frozen=True, kw_only=True)
class Frame(Shape):
    """The border of the image (adversarial frames; Zajac et al., 2019, arXiv:1810.07481)."""

    width: float = 0.1

    def covers(self, rows: Tensor, columns: Tensor) -> Tensor:
        far = 1 - self.width
        outer_rows, outer_columns = (
            (places < self.width) | (places > far) for places in (rows, columns)
        )
        return outer_rows | outer_columns


@register("space")
@dataclass(frozen=True, kw_only=True)
class Masked(Space):
    """Values inside a mask change by at most eps, those outside not at all.

    The mask is the union of `shapes`: one box or disc is a patch (Brown et al., 2017,
    arXiv:1712.09665), several are the stickers of RP2 (Eykholt et al., 2018, arXiv:1707.08945).
    eps: in the units of the data; the width of the range allows any content. Any input is seen as
    (channels, height, width), a flat one as one row.
    """

    eps: Number = 1
    shapes: tuple[Shape, ...] = (Rectangle(),)  # where values may change
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "Masked", self.range[1] - self.range[0], "at most the range's width")
        if not self.shapes:
            raise InputError("Masked: shapes must name at least one, got none")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> MaskedRegion:
        x = as_float(x)
        return MaskedRegion(x, radii(radius, self, x), self.mask(x), self.range)

    def mask(self, x: Tensor) -> Tensor:
        """Return (1, ...) bool, shaped as one example of x: where values may change.

        Raises InputError for a mask that covers no value.
        """
        channels, height, width = as_image(x)
        rows = (torch.arange(height, device=x.device, dtype=torch.float64)[:, None] + 0.5) / height
        columns = (torch.arange(width, device=x.device, dtype=torch.float64) + 0.5)[None] / width
        inside = torch.zeros(height, width, dtype=torch.bool, device=x.device)
        for shape in self.shapes:
            inside |= shape.covers(rows, columns)
        if not bool(inside.any()):
            raise InputError(
                f"Masked: the shapes cover no pixel of a {height} x {width} input: make them larger"
            )
        return inside.expand(channels, height, width).reshape(1, *x.shape[1:])

    def sentence(self) -> str:
        shapes = ", ".join(str(shape) for shape in self.shapes)
        return (
            f"inside a mask ({shapes}) up to {self.eps_text}, inputs in "
            f"{self.range[0]:g}..{self.range[1]:g}"
        )


class MaskedRegion:
    """A box that has no width outside the mask; mask: (1, ...) bool, or (B, ...): each its own."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.VECTOR})

    def __init__(self, x: Tensor, radius: Tensor, mask: Tensor, range: tuple[float, float]) -> None:
        self.x = x
        self.radius = radius
        self.mask = mask
        self.range = range
        reach = expand_like(radius, x)
        self.lowest = torch.where(mask, (x - reach).clamp_min(range[0]), x)
        self.highest = torch.where(mask, (x + reach).clamp_max(range[1]), x)

    def center(self) -> Tensor:
        return self.x

    def init(self, at: Rng) -> Tensor:
        return self.project(self.scatter(at))

    def scatter(self, at: Rng) -> Tensor:
        noise = at.uniform(tuple(self.x.shape[1:]), -1.0, 1.0).to(self.x.dtype)
        return torch.where(self.mask, self.x + expand_like(self.radius, self.x) * noise, self.x)

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        return z

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        return z

    def project(self, z: Tensor) -> Tensor:
        return torch.clamp(z, self.lowest, self.highest)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move the values inside the mask by fraction x radius along the sign of the gradient."""
        move = torch.where(self.mask, grad.sign(), 0.0)
        return torch.addcmul(z, move, expand_like(self.radius * fraction, z))

    def size(self, z: Tensor) -> Tensor:
        return norm(z - self.x, torch.inf)

    def box(self) -> tuple[Tensor, Tensor]:
        """Return the bounds of every value, (B, ...) each."""
        return self.lowest, self.highest

    def sample(self, at: Rng) -> Tensor:
        """Return vertical stripes of random corners of the set, inside the mask."""
        channels, _, width = as_image(self.x)
        return self._colored(at.fold("stripes").sign((channels, 1, width)))

    def resample(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Set a random window to one random corner of the set; it covers part of the mask.

        The window's area is `fraction` of the mask's.
        """
        channels, height, width = as_image(self.x)
        if len(self.mask) > 1:  # each example's own, all of one size
            inside = self.mask.reshape(-1, channels, height, width)[:, 0].flatten(1)
            place = torch.where(inside, at.fold("place").uniform((height * width,)), -1.0).argmax(1)
            top, left, count = place // width, place % width, int(inside.sum(1).max())
        else:
            places = self.mask.reshape(channels, height, width)[0].nonzero()
            top, left = places[at.fold("place").integers(0, len(places))].unbind(1)
            count = len(places)
        rows, columns = sides(height, width, fraction * count / (height * width))
        top = top - at.fold("top").integers(0, rows)
        left = left - at.fold("left").integers(0, columns)
        window = Windows(top, left, rows, columns).mask(height, width)[:, None]
        wide = window.expand(-1, channels, -1, -1).reshape(z.shape)
        painted = self._colored(at.fold("color").sign((channels, 1, 1)))
        return torch.where(wide, painted, z)

    def _colored(self, signs: Tensor) -> Tensor:
        """Return the highest or the lowest values inside the mask; signs: (B, C, 1, W or 1)."""
        up = (signs > 0).expand(-1, *as_image(self.x)).reshape(self.x.shape)
        return torch.where(up, self.highest, self.lowest)

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit in float64, (B,) bool: unchanged outside the mask, to the bit."""
        low, high = self.range
        changed, x = x_adv.double(), self.x.double()
        slack = 1e-6 * self.radius.double() + 2.0**-24 * max(abs(low), abs(high))
        near = (changed - x).abs() <= expand_like(self.radius.double() + slack, changed)
        valid = (changed >= low) & (changed <= high) & near
        return torch.where(self.mask, valid, x_adv == self.x).flatten(1).all(1)

    def take(self, idx: Tensor) -> MaskedRegion:
        mask = self.mask if len(self.mask) == 1 else take(self.mask, idx)
        return MaskedRegion(take(self.x, idx), take(self.radius, idx), mask, self.range)
