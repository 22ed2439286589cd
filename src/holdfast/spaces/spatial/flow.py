"""Flow fields: every pixel is taken from a place of its own nearby."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil, cos, hypot, pi, sin
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.components import register
from holdfast.inputs import check_images
from holdfast.resampling import sample
from holdfast.rng import Rng
from holdfast.spaces.spatial.latent_audit import SAME, gauss_newton_step, matches
from holdfast.tensors import as_float, expand_like
from holdfast.threat import Space, Trait, check_ball, radii
from holdfast.tree import take
from holdfast.units import Number

WIDEST = 100  # pixels
_DIRECTIONS = 32  # on the circle at which a leap may end
_APART = 0.25  # pixels between the starts of the audit's search
_STARTS, _ROUNDS = 24, 25  # of each pixel's search


@register("space")
@dataclass(frozen=True, kw_only=True)
class Flow(Space):
    """Every pixel of an image (C, H, W) is taken from up to eps pixels away.

    stAdv (Xiao et al., 2018, arXiv:1801.02612, sec. 3.2). Bilinear sampling; beyond an edge the
    image goes on as its outermost pixels. eps: the length of each pixel's displacement, in pixels.
    """

    eps: Number = 1
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "Flow", WIDEST, "eps counts pixels")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> FlowRegion:
        check_images(x, "Flow moves pixels of")
        x = as_float(x)
        return FlowRegion(x, radii(radius, self, x), self.range)

    def sentence(self) -> str:
        return (
            f"each pixel taken from up to {self.eps_text} pixels away, inputs in "
            f"{self.range[0]:g}..{self.range[1]:g}"
        )


class FlowRegion:
    """Images with moved pixels. A point is (B, 2, H, W): rows and columns of displacements."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.VECTOR})

    def __init__(self, x: Tensor, radius: Tensor, range: tuple[float, float]) -> None:
        self.x = x
        self.radius = radius
        self.range = range

    def center(self) -> Tensor:
        return torch.zeros_like(self.x[:, :1]).repeat(1, 2, 1, 1)

    def init(self, at: Rng) -> Tensor:
        return self.project(self.scatter(at))

    def scatter(self, at: Rng) -> Tensor:
        """Return displacements that are uniform in the disc, each pixel's its own."""
        height, width = self.x.shape[2:]
        length = at.fold("length").uniform((height, width)).sqrt().to(self.x.dtype)
        angle = at.fold("angle").uniform((height, width), -pi, pi).to(self.x.dtype)
        length = length * expand_like(self.radius, length)
        return torch.stack([length * angle.sin(), length * angle.cos()], 1)

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        height, width = self.x.shape[2:]
        rows, columns = self._pixels(z.dtype)
        return sample(
            self.x,
            (rows + z[:, 0]).clamp(0, height - 1),
            (columns + z[:, 1]).clamp(0, width - 1),
        ).clamp(*self.range)

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        return self.lift(z, at)

    def project(self, z: Tensor) -> Tensor:
        """Shorten each displacement that is longer than the radius."""
        length = _lengths(z)
        radius = expand_like(self.radius, length)
        too_long = length > radius * (1 + 5e-7)  # unchanged if shortened before
        return torch.where(too_long, z * (radius / length.clamp_min(1e-30)), z)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move each pixel by fraction x radius along its own gradient."""
        length = _lengths(grad)
        unit = torch.where(length > 0, grad / torch.where(length > 0, length, 1.0), 0.0)
        return z + unit * expand_like(self.radius * fraction, z)

    def size(self, z: Tensor) -> Tensor:
        return _lengths(z).flatten(1).amax(1)

    def penalty(self, z: Tensor) -> Tensor:
        """Return (B,): the mean length by which neighbors' displacements differ (ibid., eq. 4)."""
        return roughness(z)

    def leap(self, z: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return each pixel's best displacement along a gradient at the image, and the gain.

        Between whole places an image is bilinear, so the best is a whole place or on the circle.
        """
        best, none = z, Rng(0, torch.zeros(len(z), dtype=torch.int64, device=z.device))
        here = self.lift(z, none)
        most = torch.zeros_like(z[:, 0])
        for down, right, reach in _corners(float(self.radius.max())):
            # a place on the circle is each example's own, a whole one must be within its radius
            length = self.radius if reach is None else torch.ones_like(self.radius)
            place = torch.stack([down * length, right * length], 1)[:, :, None, None].expand_as(z)
            gain = (grad * (self.lift(place, none) - here)).sum(1)
            if reach is not None:
                gain = torch.where(expand_like(self.radius >= reach, gain), gain, 0.0)
            better = gain > most
            best = torch.where(better[:, None], place, best)
            most = torch.where(better, gain, most)
        return best, most

    def take(self, idx: Tensor) -> FlowRegion:
        return FlowRegion(take(self.x, idx), take(self.radius, idx), self.range)

    def contains_point(self, x_adv: Tensor, z: Tensor) -> Tensor:
        """Audit with the latent point, (B,) bool: z within the radius, x_adv its image."""
        slack = 1e-6 * self.radius.double() + 2.0**-24
        near = self.size(z.double()) <= self.radius.double() + slack
        rows, columns = self._pixels(torch.float64)
        made = _sampled(self.x.double(), rows + z[:, 0].double(), columns + z[:, 1].double())
        return near & matches(made.clamp(*self.range), x_adv, self.range)

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit, (B,) bool: find a displacement for every pixel again, in float64.

        A search from many starts for each pixel; where it finds nothing the answer is no.
        """
        low, high = self.range
        inside = ((x_adv >= low) & (x_adv <= high)).flatten(1).all(1)
        found = [self._found(i, x_adv[i].double()) for i in range(len(x_adv))]
        return inside & torch.tensor(found, dtype=torch.bool, device=x_adv.device)

    def _found(self, i: int, goal: Tensor) -> bool:
        x, radius = self.x[i : i + 1].double(), self.radius[i].double()
        slack = SAME * (self.range[1] - self.range[0])
        search = _Search(
            x,
            torch.stack([part[0].flatten() for part in self._pixels(torch.float64)], 1),
            goal.flatten(1).T,
        )
        starts = _disc(float(radius), x)
        gaps = torch.stack([search.miss(s.expand(1, len(search.wanted), 2))[0] for s in starts])
        left = torch.arange(len(search.wanted), device=x.device)
        for order in gaps.square().sum(2).argsort(0).split(_STARTS):
            z = starts[order[:, left]]
            for _ in range(_ROUNDS):
                missed = ~(search.of(left).miss(z).abs() <= slack).all(2).any(0)
                left, z = left[missed], z[:, missed]
                if not len(left):
                    return True
                z = search.of(left).step(z)
                z = z * (radius / z.norm(dim=2, keepdim=True).clamp_min(1e-30)).clamp_max(1.0)
        return False

    def _pixels(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return rows and columns (1, H, W) of every pixel."""
        height, width = self.x.shape[2:]
        rows = torch.arange(height, device=self.x.device, dtype=dtype)[:, None]
        columns = torch.arange(width, device=self.x.device, dtype=dtype)[None]
        return rows.expand(height, width)[None], columns.expand(height, width)[None]


class _Search(NamedTuple):
    """One image and some of its pixels, whose displacements are looked for."""

    x: Tensor  # (1, C, H, W)
    places: Tensor  # (N, 2) rows and columns
    wanted: Tensor  # (N, C) the values to find there

    def of(self, idx: Tensor) -> _Search:
        """Return the search for the pixels at positions `idx` alone."""
        return _Search(self.x, self.places[idx], self.wanted[idx])

    def miss(self, z: Tensor) -> Tensor:
        """Return (K, N, C): the residuals of K displacements (K, N, 2) of each pixel."""
        at = self.places + z
        return (
            _sampled(self.x, at[None, ..., 0], at[None, ..., 1])[0].permute(1, 2, 0) - self.wanted
        )

    def step(self, z: Tensor) -> Tensor:
        """Take one damped step of Gauss and Newton's method with each displacement."""
        found = gauss_newton_step(
            lambda flat: self.miss(flat.reshape(z.shape)).flatten(0, 1), z.flatten(0, 1)
        )
        return found.reshape(z.shape)


def roughness(z: Tensor) -> Tensor:
    """Return (B,): the mean length of the difference of neighbors in z (B, k, ...)."""
    total, count = z.new_zeros(len(z)), 0
    for axis in range(2, z.ndim):
        apart = z.diff(dim=axis)
        squared = apart.square().sum(1).flatten(1)
        moved = squared > 0  # the root has no slope at zero
        length = torch.where(moved, torch.where(moved, squared, 1.0).sqrt(), 0.0)
        total, count = total + length.sum(1), count + length.shape[1]
    return total / max(count, 1)


def _lengths(z: Tensor) -> Tensor:
    """Return (B, 1, H, W): how long each displacement is."""
    return z.square().sum(1, keepdim=True).sqrt()


def _corners(radius: float) -> Iterator[tuple[float, float, float | None]]:
    """Yield (rows, columns, length) of whole places in the disc, and directions with None."""
    side = range(-int(radius), int(radius) + 1)
    for down, right in product(side, side):
        if hypot(down, right) <= radius:
            yield float(down), float(right), hypot(down, right)
    for k in range(_DIRECTIONS):
        angle = 2 * pi * k / _DIRECTIONS
        yield sin(angle), cos(angle), None


def _disc(radius: float, like: Tensor) -> Tensor:
    """Return (n, 2): places in the disc that are about a quarter of a pixel apart."""
    side = torch.linspace(-1, 1, 2 * ceil(radius / _APART) + 1, dtype=like.dtype) * radius
    square = torch.cartesian_prod(side, side)
    return square[square.norm(dim=1) <= radius * (1 + 1e-9)].to(like.device)


def _sampled(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return x (B, C, H, W) at places (B, h, w), by PyTorch's own sampling, not by ours."""
    height, width = x.shape[2:]
    down, right = 2 * rows / max(height - 1, 1) - 1, 2 * columns / max(width - 1, 1) - 1
    grid = torch.stack([right, down], -1).expand(len(x), -1, -1, -1)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=True)
