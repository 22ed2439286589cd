"""Recoloring: all pixels of one color change alike, and by little."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.components import register
from holdfast.inputs import check_images
from holdfast.rng import Rng
from holdfast.spaces.spatial.flow import roughness
from holdfast.spaces.spatial.latent_audit import SAME, matches
from holdfast.tensors import as_float, expand_like, norm
from holdfast.threat import Space, Trait, check_ball, radii, warn_if_tiny
from holdfast.tree import take
from holdfast.units import Number, Within

MOST = 3  # channels
_ROUNDS = 2000  # of the audit's search


@register("space")
@dataclass(frozen=True, kw_only=True)
class Recolor(Space):
    """One function of colors an image, within eps of the identity in each channel.

    ReColorAdv (Laidlaw and Feizi, 2019, arXiv:1906.00001, sec. 3): values on a grid of colors and
    multilinear in between. Images (C, H, W) of one to three channels.
    """

    lengths: ClassVar[bool] = True

    eps: Number = 0.06
    points: Annotated[int, Within(2, 64)] = 16  # of the grid, along each channel
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "Recolor", self.range[1] - self.range[0], "at most the range's width")
        warn_if_tiny(self)

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> RecoloredRegion:
        check_images(x, "Recolor changes", MOST)
        x = as_float(x)
        return RecoloredRegion(x, radii(radius, self, x), self)

    def sentence(self) -> str:
        return (
            f"one function of colors an image, on a grid of {self.points} points a channel, up to "
            f"{self.eps_text}, inputs in {self.range[0]:g}..{self.range[1]:g}"
        )


class RecoloredRegion:
    """Recolored images. A point is (B, C, n, ..., n): the change of each color of the grid."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.VECTOR})

    def __init__(self, x: Tensor, radius: Tensor, space: Recolor) -> None:
        self.x = x
        self.radius = radius
        self.space = space
        self.shape = (x.shape[1], *[space.points] * x.shape[1])  # of a point

    def center(self) -> Tensor:
        return self.x.new_zeros(len(self.x), *self.shape)

    def init(self, at: Rng) -> Tensor:
        return self.scatter(at)

    def scatter(self, at: Rng) -> Tensor:
        noise = at.uniform(self.shape, -1.0, 1.0).to(self.x.dtype)
        return noise * expand_like(self.radius, noise)

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        added = _between(z, *self._corners).reshape(self.x.shape)
        return (self.x + added).clamp(*self.space.range)

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        return self.lift(z, at)

    def project(self, z: Tensor) -> Tensor:
        radius = expand_like(self.radius, z)
        return torch.minimum(torch.maximum(z, -radius), radius)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move every value of the grid by fraction x radius along the sign of its gradient."""
        return torch.addcmul(z, grad.sign(), expand_like(self.radius * fraction, z))

    def size(self, z: Tensor) -> Tensor:
        return norm(z, torch.inf)

    def penalty(self, z: Tensor) -> Tensor:
        """Return (B,): the mean length by which neighbors on the grid differ (ibid., sec. 3.3)."""
        return roughness(z)

    def take(self, idx: Tensor) -> RecoloredRegion:
        return RecoloredRegion(take(self.x, idx), take(self.radius, idx), self.space)

    def contains_point(self, x_adv: Tensor, z: Tensor) -> Tensor:
        """Audit with the latent point, (B,) bool: z within the radius, x_adv its image."""
        slack = 1e-6 * self.radius.double() + 2.0**-24
        near = z.double().flatten(1).abs().amax(1) <= self.radius.double() + slack
        made = self.x.double() + self._added(z.double())
        return near & matches(made.clamp(*self.space.range), x_adv, self.space.range)

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit, (B,) bool: find the function again in float64 and compare.

        A convex search (least squares within bounds); where that falls short the answer is no.
        """
        low, high = self.space.range
        x, goal = self.x.double().flatten(2), x_adv.double().flatten(2)
        corners, weights = self._corners[0], self._corners[1].double()
        z = last = x.new_zeros(len(x), x.shape[1], self.space.points ** x.shape[1])
        often = _spread_back(torch.ones_like(x), corners, weights, z).clamp_min(1e-12)
        radius, momentum = expand_like(self.radius.double(), z), 1.0
        for _ in range(_ROUNDS):
            following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead = z + (momentum - 1) / following * (z - last)
            missing = (x + _between(ahead, corners, weights)).clamp(low, high) - goal
            pull = _spread_back(missing, corners, weights, z) / often
            last, z, momentum = z, (ahead - pull).clamp(-radius, radius), following
        made = (x + _between(z, corners, weights)).clamp(low, high)
        near = ((made - goal).abs() <= SAME * (high - low)).flatten(1).all(1)
        return near & ((x_adv >= low) & (x_adv <= high)).flatten(1).all(1)

    @cached_property
    def _corners(self) -> tuple[Tensor, Tensor]:
        """Return (B, N, k) int64 and weights: the grid's points around the color of each pixel."""
        low, high = self.space.range
        points = self.space.points
        place = (self.x.flatten(2) - low) * ((points - 1) / (high - low))  # (B, C, N)
        base = place.floor().clamp(0, points - 2)
        share = (place - base).clamp(0, 1)
        strides = [points ** (self.x.shape[1] - 1 - c) for c in range(self.x.shape[1])]
        indices, weights = [], []
        for corner in product((0, 1), repeat=self.x.shape[1]):
            index, weight = torch.zeros_like(base[:, 0]), torch.ones_like(base[:, 0])
            for c, upper in enumerate(corner):
                index = index + (base[:, c] + upper) * strides[c]
                weight = weight * (share[:, c] if upper else 1 - share[:, c])
            indices.append(index.long())
            weights.append(weight)
        return torch.stack(indices, 2), torch.stack(weights, 2)

    def _added(self, z: Tensor) -> Tensor:
        """Return (B, C, H, W): the change of each pixel by z, by PyTorch's own interpolation."""
        low, high = self.space.range
        place = 2 * (self.x.double() - low) / (high - low) - 1
        if self.x.shape[1] == 1:
            z = z[:, :, None]
            place = torch.cat([torch.zeros_like(place), place], 1)
        grid = place.flip(1).permute(0, 2, 3, 1)
        if self.x.shape[1] == MOST:
            grid = grid[:, None]
        found = F.grid_sample(z, grid, padding_mode="border", align_corners=True)
        return found.reshape(self.x.shape)


def _between(z: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """Return (B, C, N): the values of the grid z (B, C, ...) between the corners of each pixel."""
    flat = z.flatten(2)
    index = corners.flatten(1)[:, None].expand(-1, flat.shape[1], -1)
    found = flat.gather(2, index).reshape(*flat.shape[:2], *corners.shape[1:])
    return (found * weights[:, None]).sum(3)


def _spread_back(values: Tensor, corners: Tensor, weights: Tensor, like: Tensor) -> Tensor:
    """Return the transpose of `_between`: (B, C, N) spread to the grid's points (B, C, K)."""
    index = corners.flatten(1)[:, None].expand(-1, values.shape[1], -1)
    shares = (values[..., None] * weights[:, None]).flatten(2)
    return torch.zeros_like(like).scatter_add(2, index, shares)
