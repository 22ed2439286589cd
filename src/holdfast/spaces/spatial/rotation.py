"""Rotations and translations: three numbers an image, and no norm of the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.inputs import check_images
from holdfast.resampling import centered, rotate, sample_centered
from holdfast.rng import Rng
from holdfast.spaces.spatial.latent_audit import gauss_newton_step, matches
from holdfast.tensors import as_float, expand_like
from holdfast.threat import Space, Trait, check_ball, radii
from holdfast.tree import take
from holdfast.units import NotNegative, Number, Within

_ROUNDS = 40  # of Gauss and Newton's method


@register("space")
@dataclass(frozen=True, kw_only=True)
class RotationTranslation(Space):
    """An image (C, H, W) is turned by up to `degrees` and moved by up to `shift` pixels.

    Engstrom et al., 2019, arXiv:1712.02779, sec. 3. Bilinear sampling; pixels from outside the
    image are black. eps: the share of both limits that is allowed, 1 for all.
    """

    eps: Number = 1
    degrees: Annotated[float, Within(0, 180)] = 30.0  # of rotation, either way
    shift: NotNegative = 3.0  # pixels, along rows and along columns
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "RotationTranslation", 1, "write the share of the limits, at most 1")
        if not self.range[0] <= 0 <= self.range[1]:
            raise InputError(
                f"pixels from outside the image are 0: range must contain 0, got {self.range}"
            )

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> MovedRegion:
        check_images(x, "RotationTranslation moves")
        x = as_float(x)
        return MovedRegion(x, radii(radius, self, x), self)

    def sentence(self) -> str:
        share = "" if self.radius == 1 else f"eps={self.eps_text} of "
        return (
            f"rotation and translation, {share}{self.degrees:g} degrees and {self.shift:g} pixels, "
            f"inputs in {self.range[0]:g}..{self.range[1]:g}"
        )


class MovedRegion:
    """Images moved rigidly. A point is (B, 3): angle, rows, columns, as shares of the limits."""

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.VECTOR})

    def __init__(self, x: Tensor, radius: Tensor, space: RotationTranslation) -> None:
        self.x = x
        self.radius = radius
        self.space = space
        limits = (space.degrees * pi / 180, space.shift, space.shift)
        self.limits = torch.tensor(limits, dtype=x.dtype, device=x.device)

    def center(self) -> Tensor:
        return self.x.new_zeros(len(self.x), 3)

    def init(self, at: Rng) -> Tensor:
        return self.scatter(at)

    def scatter(self, at: Rng) -> Tensor:
        return at.uniform((3,), -1.0, 1.0).to(self.x.dtype) * self.radius[:, None]

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        angle, down, right = (z * self.limits).unbind(1)
        rows, columns = centered(self.x)
        places = rotate(rows - expand_like(down, rows), columns - expand_like(right, rows), -angle)
        return sample_centered(self.x, *places).clamp(*self.space.range)

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        return self.lift(z, at)

    def project(self, z: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(z, -self.radius[:, None]), self.radius[:, None])

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move angle and both shifts by fraction x radius along the signs of the gradient."""
        return z + grad.sign() * (self.radius * fraction)[:, None]

    def size(self, z: Tensor) -> Tensor:
        return z.abs().amax(1)

    def take(self, idx: Tensor) -> MovedRegion:
        return MovedRegion(take(self.x, idx), take(self.radius, idx), self.space)

    def lattice(self, counts: tuple[int, ...]) -> Iterator[Tensor]:
        """Yield every point (B, 3) of a grid over the set: angles first, then rows, columns."""
        angles, shifts = counts
        axes = [
            torch.linspace(-1, 1, n, dtype=torch.float32)
            if n > 1
            else torch.zeros(1, dtype=torch.float32)
            for n in (angles, shifts, shifts)
        ]
        for point in torch.cartesian_prod(*axes):
            yield point.to(self.x) * self.radius[:, None]

    def contains_point(self, x_adv: Tensor, z: Tensor) -> Tensor:
        """Audit with the latent point, (B,) bool: z within the radius, x_adv its image."""
        slack = 1e-6 * self.radius.double() + 2.0**-24
        near = z.double().abs().amax(1) <= self.radius.double() + slack
        moved = self._moved(self.x.double(), z.double())
        return near & matches(moved, x_adv, self.space.range)

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit, (B,) bool: find the movement again in float64 and compare.

        A search over a grid and from its best places on; where it finds nothing the answer is no.
        """
        found = [self._found(i, x_adv[i]) for i in range(len(x_adv))]
        return torch.tensor(found, dtype=torch.bool, device=x_adv.device)

    def _found(self, i: int, x_adv: Tensor) -> bool:
        x, radius, goal = self.x[i : i + 1].double(), self.radius[i].double(), x_adv.double()
        starts = self._starts() * radius
        gaps = torch.cat(
            [
                (self._moved(x.expand(len(part), -1, -1, -1), part) - goal)
                .square()
                .flatten(1)
                .sum(1)
                for part in starts.split(256)
            ]
        )
        z = starts[gaps.argsort()[:8]]
        wide = x.expand(len(z), -1, -1, -1)

        def miss(z: Tensor) -> Tensor:
            return (self._moved(wide, z) - goal).flatten(1)

        for _ in range(_ROUNDS):
            z = gauss_newton_step(miss, z).clamp(-radius, radius)
            if bool(matches(self._moved(wide, z), x_adv[None], self.space.range).any()):
                return True
        return False

    def _starts(self) -> Tensor:
        """Return (n, 3): a grid on which neighbors differ by about a pixel."""
        height, width = self.x.shape[2:]
        angles = 2 * int(self.space.degrees * pi / 180 * max(height, width) / 2) + 3
        shifts = 2 * int(self.space.shift) + 3
        axes = [torch.linspace(-1, 1, n, dtype=torch.float32) for n in (angles, shifts, shifts)]
        return torch.cartesian_prod(*axes).to(self.x.device, torch.float64)

    def _moved(self, x: Tensor, z: Tensor) -> Tensor:
        """Return x moved by z once more, by PyTorch's own sampling, not by ours."""
        height, width = x.shape[2:]
        angle, down, right = (z * self.limits.double()).unbind(1)
        c, s = angle.cos(), angle.sin()
        # from output to input, in units in which the image spans -1..1 from center to center
        tall, long = (height - 1) / 2 or 1.0, (width - 1) / 2 or 1.0
        first = torch.stack([c, -s * tall / long, (-right * c + down * s) / long], 1)
        second = torch.stack([s * long / tall, c, (-right * s - down * c) / tall], 1)
        grid = F.affine_grid(torch.stack([first, second], 1), list(x.shape), align_corners=True)
        return F.grid_sample(x, grid, align_corners=True).clamp(*self.space.range)
