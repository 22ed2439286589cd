"""The worst of common corruptions: a finite set of choices, apart from random draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.inputs import check_images
from holdfast.rng import Rng
from holdfast.spaces.appearance.corruptions import EVERY, SEVERITIES, Corruption
from holdfast.spaces.spatial.latent_audit import SAME, matches
from holdfast.tensors import as_float
from holdfast.threat import Space, Trait, check_ball, radii
from holdfast.tree import take
from holdfast.units import Number

_SEEDS = 2**23  # different draws; whole numbers that float32 holds


@register("space")
@dataclass(frozen=True, kw_only=True)
class CommonCorruptions(Space):
    """One common corruption of an image (C, H, W), of severity 1 to eps.

    Hendrycks and Dietterich, 2019, arXiv:1903.12261. A random one draws anew for every example
    and choice, and the draw is part of the point.
    """

    eps: Number = 5
    corruptions: tuple[Corruption, ...] = EVERY  # those that may be chosen
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "CommonCorruptions", SEVERITIES, "eps is the largest severity")
        if self.radius < 1:
            raise InputError(f"the mildest severity is 1, got eps={self.eps}")
        if not self.corruptions:
            raise InputError("CommonCorruptions: corruptions must name at least one, got none")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> CorruptedRegion:
        check_images(x, "CommonCorruptions changes")
        x = as_float(x)
        return CorruptedRegion(x, radii(radius, self, x), self)

    def sentence(self) -> str:
        names = ", ".join(type(each).__name__ for each in self.corruptions)
        return (
            f"one common corruption ({names}) of severity up to {self.eps_text}, inputs in "
            f"{self.range[0]:g}..{self.range[1]:g}"
        )


class CorruptedRegion:
    """Corrupted images. A point is (B, 3): the corruption, its severity (0: none), and a draw."""

    traits: ClassVar[frozenset[Trait]] = frozenset()

    def __init__(self, x: Tensor, radius: Tensor, space: CommonCorruptions) -> None:
        self.x = x
        self.radius = radius
        self.space = space

    def center(self) -> Tensor:
        return self.x.new_zeros(len(self.x), 3)

    def init(self, at: Rng) -> Tensor:
        """Return any corruption, of any severity that is allowed, with any draw."""
        which = at.fold("which").integers(0, len(self.space.corruptions))
        most = self.radius.floor()
        severity = (at.fold("severity").uniform().to(self.x.dtype) * most).floor() + 1
        severity = torch.minimum(severity, most)  # none where the radius is below 1
        return torch.stack([which.to(self.x.dtype), severity, self._draw(at)], 1)

    def scatter(self, at: Rng) -> Tensor:
        return self.init(at)

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        """Return the corrupted images; without a gradient, for choices have none."""
        return self._made(self.x, z.detach())

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        return self.lift(z, at)

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest choice that is allowed."""
        which, severity, draw = z.unbind(1)
        which = which.round().clamp(0, len(self.space.corruptions) - 1)
        severity = torch.minimum(severity.round().clamp_min(0), self.radius.floor())
        return torch.stack([which, severity, draw.round().clamp(0, _SEEDS - 1)], 1)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Return z: no direction leads from one choice to another."""
        return z

    def size(self, z: Tensor) -> Tensor:
        return z[:, 1]

    def take(self, idx: Tensor) -> CorruptedRegion:
        return CorruptedRegion(take(self.x, idx), take(self.radius, idx), self.space)

    def choices(self, at: Rng) -> Iterator[Tensor]:
        """Yield the unchanged input, then every corruption from the mildest on.

        Where a severity is beyond an example's radius, the largest that it allows.
        """
        yield self.center()
        for which in range(len(self.space.corruptions)):
            for severity in range(1, int(self.space.radius) + 1):
                draw = self._draw(at.fold(f"choice-{which}", severity))
                allowed = self.radius.floor().clamp_max(severity)
                yield torch.stack([torch.full_like(draw, which), allowed, draw], 1)

    def contains_point(self, x_adv: Tensor, z: Tensor) -> Tensor:
        """Audit with the latent point, (B,) bool: an allowed choice, and x_adv is its image.

        Computed again in float64; a corruption is defined by its code.
        """
        whole = (z == self.project(z)).all(1)
        made = self._made(self.x.double(), torch.where(whole[:, None], z, 0.0))
        return whole & matches(made, x_adv, self.space.range)

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit, (B,) bool: x_adv is the image of a choice without a draw.

        Draws cannot be found again: of an image alone the answer is then no.
        """
        low, high = self.space.range
        inside = ((x_adv >= low) & (x_adv <= high)).flatten(1).all(1)
        found = torch.zeros_like(inside)
        for z in self.choices(Rng(0, torch.arange(len(self.x), device=self.x.device))):
            if not self.space.corruptions[int(z[0, 0]) if len(z) else 0].draws:
                apart = (self._made(self.x.double(), z) - x_adv.double()).abs()
                found = found | (apart <= SAME * (high - low)).flatten(1).all(1)
        return inside & (found | (x_adv == self.x).flatten(1).all(1))

    def _draw(self, at: Rng) -> Tensor:
        return at.fold("draw").integers(0, _SEEDS).to(self.x.dtype)

    def _made(self, x: Tensor, z: Tensor) -> Tensor:
        """Return x (B, C, H, W) as the choices z make it."""
        low, high = self.space.range
        which, severity, draw = (part.round().long() for part in z.unbind(1))
        at, out = Rng(0, draw), x
        unit = (x - low) / (high - low)
        present = set(zip(which.tolist(), severity.tolist(), strict=True))
        for k, level in sorted(pair for pair in present if pair[1] > 0):
            corruption, idx = self.space.corruptions[k], _where((which == k) & (severity == level))
            own = at.fold(type(corruption).__name__, level).take(idx)
            made = low + (high - low) * corruption(unit[idx], level, own)
            out = out.index_copy(0, idx, made.clamp(low, high))
        return out


def _where(chosen: Tensor) -> Tensor:
    """Return the positions at which `chosen` (B,) bool holds."""
    return chosen.nonzero().flatten()
