"""The Linf ball: every coordinate may move by eps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.rng import Rng
from holdfast.spaces.norm_balls import projections, square_windows
from holdfast.spaces.norm_balls.ball import Ball
from holdfast.tensors import as_float, as_image, expand_like, norm
from holdfast.threat import Space, Trait, check_ball, radii, warn_if_tiny
from holdfast.units import Number


@register("space")
@dataclass(frozen=True, kw_only=True)
class Linf(Space):
    """Each coordinate moves by at most eps and stays in `range`.

    eps: in the units of the data, a number or text such as "8/255". Raises InputError unless
    0 < eps <= high - low.
    """

    lengths: ClassVar[bool] = True

    eps: Number
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "Linf", self.range[1] - self.range[0], "write 8/255 for 8 gray levels")
        warn_if_tiny(self)

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> LinfRegion:
        x = as_float(x)
        return LinfRegion(x, radii(radius, self, x), self.range)

    def sentence(self) -> str:
        return f"Linf eps={self.eps_text}, inputs in {self.range[0]:g}..{self.range[1]:g}"


class LinfRegion(Ball):
    """A box: the projection is one clamp between bounds that are computed once."""

    traits = Ball.traits | {Trait.CONVEX}

    def __init__(self, x: Tensor, radius: Tensor, range: tuple[float, float]) -> None:
        Ball.__init__(self, x, radius, range)
        reach = expand_like(radius, x)
        self.lowest = (x - reach).clamp_min_(range[0])
        self.highest = (x + reach).clamp_max_(range[1])

    def scatter(self, at: Rng) -> Tensor:
        noise = at.uniform(tuple(self.x.shape[1:]), -1.0, 1.0).to(self.x.dtype)
        return noise.mul_(expand_like(self.radius, self.x)).add_(self.x)

    def box(self) -> tuple[Tensor, Tensor]:
        """Return the bounds of every coordinate, (B, ...) each."""
        return self.lowest, self.highest

    def project(self, z: Tensor) -> Tensor:
        return torch.clamp(z, self.lowest, self.highest)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move every coordinate by fraction x radius along the sign of the gradient."""
        return torch.addcmul(z, grad.sign(), expand_like(self.radius * fraction, z))

    def norms(self, delta: Tensor) -> Tensor:
        return norm(delta, torch.inf)

    def dual_norm(self, grad: Tensor) -> Tensor:
        """Return (B,): the L1 norm."""
        return norm(grad, 1)

    def shrink(self, z: Tensor, amount: Tensor) -> Tensor:
        """Cap the change at the level at which `amount` in all is cut off, within the range."""
        change = (z - self.x).flatten(1)
        size = change.abs()
        enough = size.sum(1) > amount
        cap = projections.threshold(size, size, torch.minimum(amount, size.sum(1)))
        cap = torch.where(enough, cap, 0.0)[:, None]
        return self._moved(self.x, torch.minimum(size, cap) * change.sign())

    def reach(self, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
        """Move all coordinates alike, each at most to the end of the range, exactly `gap` far."""
        flat = normal.flatten(1)
        room, size = self._room(z, flat), flat.abs()
        t = projections.level(room, size, gap)
        return self._moved(z, torch.minimum(t[:, None], room).mul_(flat.sign()))

    def cube(self) -> Tensor:
        """Return (B,): the radius; the ball is the cube."""
        return self.radius

    def propose_start(self, at: Rng) -> Tensor:
        """Return vertical stripes of +-radius (Andriushchenko et al., 2020, sec. 3.3)."""
        channels, _, width = as_image(self.x)
        sign = at.sign((channels, 1, width)).to(self.x.dtype)
        return self._corner(sign)

    def propose(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Set one window of z to +-radius, a sign per channel (ibid., algorithm 2)."""
        channels, height, width = as_image(self.x)
        window = square_windows.draw(at.fold("window"), height, width, fraction)
        inside = window.flat(channels, height, width)  # late windows are small: touch no more
        up = at.fold("sign").sign((channels, 1)) > 0
        up = up.expand(-1, -1, window.height * window.width).flatten(1)
        low, high = (bound.flatten(1).gather(1, inside) for bound in (self.lowest, self.highest))
        return z.flatten(1).scatter(1, inside, torch.where(up, high, low)).reshape(z.shape)

    def _corner(self, sign: Tensor) -> Tensor:
        """Return the bound of the box that `sign`, (B, C, 1 or H, 1 or W), points to."""
        full = sign.expand(-1, *as_image(self.x)).reshape(self.x.shape)
        return torch.where(full > 0, self.highest, self.lowest)
