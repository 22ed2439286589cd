"""Input transformations whose averaged gradients transfer better.

A search that follows one network's gradient at one point fits that network's quirks. Gradients
averaged over shrunk, scaled or mixed copies, or smoothed over neighboring pixels, fit fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.errors import ConfigError
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import as_image
from holdfast.threat import Region
from holdfast.units import Count, Positive, Share


class View:
    """The interface of every view; subclasses are frozen dataclasses.

    A view with several copies of an input gives their number in `count`; one that changes the
    gradient instead of the input overrides `smooth`.
    """

    kind: ClassVar[str] = "view"

    @property
    def count(self) -> int:
        """Return how many copies of an input this view makes."""
        return 1

    def see(self, x: Tensor, y: Tensor, at: Rng, i: int) -> Tensor:
        """Return copy i of x (B, ...), differentiable; y: (B,) the labels."""
        return x

    def smooth(self, grad: Tensor) -> Tensor:
        """Return the gradient (B, ...) that the search follows instead of `grad`."""
        return grad


@register("view")
@dataclass(frozen=True, kw_only=True)
class ResizePad(View):
    """A copy shrunk to a random size and padded to the old one (DI; Xie et al., 2019, sec. 3.2).

    Size and place are each example's own. Any shape is seen as (channels, height, width).
    """

    probability: Share = 0.5  # of changing the input at all
    smallest: Share = 0.9  # side of the smallest copy, as a fraction of the input's

    def see(self, x: Tensor, y: Tensor, at: Rng, i: int) -> Tensor:
        channels, height, width = as_image(x)
        longest = max(height, width)
        least = max(int(self.smallest * longest), 1)
        side = at.fold("side").integers(least, max(longest, least + 1))
        rows = _resize(height, side, longest, at.fold("top").uniform()).to(x.dtype)
        columns = _resize(width, side, longest, at.fold("left").uniform()).to(x.dtype)
        image = x.reshape(-1, channels, height, width)
        shrunk = rows[:, None] @ image @ columns[:, None].mT
        chosen = at.fold("whether").uniform() < self.probability
        return torch.where(chosen[:, None, None, None], shrunk, image).reshape(x.shape)


@register("view")
@dataclass(frozen=True, kw_only=True)
class ScaleCopies(View):
    """Copies divided by 1, 2, 4, ... (SI; Lin et al., 2020, arXiv:1908.06281, sec. 3.2.2)."""

    copies: Count = 5  # each half as bright as the one before

    @property
    def count(self) -> int:
        return self.copies

    def see(self, x: Tensor, y: Tensor, at: Rng, i: int) -> Tensor:
        return x / float(2**i)


@register("view")
@dataclass(frozen=True, kw_only=True)
class TranslationKernel(View):
    """A gradient smoothed by a Gaussian kernel (TI; Dong et al., 2019, arXiv:1904.02884, eq. 8).

    To the first order that is the mean of the gradients at shifted copies of the input.
    """

    kernel: Count = 15  # side in pixels, odd; 5 or 7 for images of 32 x 32
    deviations: Positive = 3.0  # standard deviations from the kernel's center to its edge

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd, to have a center, got {self.kernel}")

    def smooth(self, grad: Tensor) -> Tensor:
        channels, height, width = as_image(grad)
        image = grad.reshape(-1, channels, height, width)
        rows, columns = self._band(height).to(grad), self._band(width).to(grad)
        return (rows @ image @ columns).reshape(grad.shape)

    def _band(self, n: int) -> Tensor:
        """Return (n, n): the convolution along one axis, zero beyond the edges, as a matrix."""
        half = self.kernel // 2
        weights = torch.ones(1, dtype=torch.float32)
        if half:
            edge, kind = self.deviations, torch.float32
            weights = -0.5 * torch.linspace(-edge, edge, 2 * half + 1, dtype=kind) ** 2
            weights = weights.exp()
        apart = torch.arange(n)[:, None] - torch.arange(n) + half
        within = (apart >= 0) & (apart <= 2 * half)
        return torch.where(within, (weights / weights.sum())[apart.clamp(0, 2 * half)], 0.0)


def copies(views: tuple[View, ...]) -> int:
    """Return how many gradients one step through all of the views takes."""
    return prod(view.count for view in views)


def mean_gradient(
    objective: Objective, region: Region, z: Tensor, at: Rng, views: tuple[View, ...]
) -> Tensor:
    """Return the gradient (B, ...) at z of the mean loss over all copies, a pass each way for each.

    Views apply in their order: (MixedCopies(), ScaleCopies()) scales mixed copies.
    """
    total = torch.zeros_like(z)
    for chosen in _combinations(views):
        point = z.detach().requires_grad_(True)
        with torch.enable_grad():
            x = region.lift(point, at)
            for place, (view, i) in enumerate(zip(views, chosen, strict=True)):
                x = view.see(x, objective.y, at.fold(f"view {place}", i), i)
            _, grad = objective.value_and_grad(x, point, at)
        total = total + grad
    return total / copies(views)


def smoothed(grad: Tensor, views: tuple[View, ...]) -> Tensor:
    """Return the gradient (B, ...) after the smoothing of every view."""
    for view in views:
        grad = view.smooth(grad)
    return grad


def _combinations(views: tuple[View, ...]) -> Iterator[tuple[int, ...]]:
    """Yield one index per view, every combination once."""
    for number in range(copies(views)):
        chosen = []
        for view in reversed(views):
            number, i = divmod(number, view.count)
            chosen.append(i)
        yield tuple(reversed(chosen))


def _resize(n: int, side: Tensor, longest: int, place: Tensor) -> Tensor:
    """Return (B, n, n): bilinear resizing from n pixels to n x side / longest, at a random place.

    side: (B,) int64; place: (B,) in [0, 1), where the copy lies in the room that it leaves.
    """
    size = (n * side.double() / longest).round().clamp_min(1)[:, None]
    start = (place.double()[:, None] * (n + 1 - size)).floor()
    pixel = torch.arange(n, device=side.device).double()
    source = ((pixel - start + 0.5) * n / size - 0.5).clamp(0, n - 1)
    weights = (1 - (source[:, :, None] - pixel).abs()).clamp_min(0)
    inside = (pixel >= start) & (pixel < start + size)
    return weights * inside[:, :, None]
