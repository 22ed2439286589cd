"""Patches: one window of an image, anywhere in it, with any content."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.resampling import sample
from holdfast.rng import Rng
from holdfast.spaces.norm_balls.square_windows import Windows, draw
from holdfast.spaces.patches.masked import MaskedRegion, Rectangle, Shape
from holdfast.tensors import as_float, as_image, expand_like, norm
from holdfast.threat import Space, Trait, check_ball, radii
from holdfast.tree import take
from holdfast.units import Number, Share

_MOVES = 4  # one proposal in so many moves the patch, the others change its content
_FARTHEST = 0.75  # share of the image by which the first moves go, less and less


@register("space")
@dataclass(frozen=True, kw_only=True)
class Patch(Space):
    """One window, wherever it does most, whose values change by at most eps.

    Brown et al., 2017, arXiv:1712.09665; Karmon et al., 2018, arXiv:1801.02608 (LaVAN). The width
    of the range as eps allows any content. height, width: of the window, in shares of the image's
    sides; shape: which part of it counts. Any input is seen as (channels, height, width), a flat
    one as one row.
    """

    eps: Number = 1
    height: Share = 0.25
    width: Share = 0.25
    shape: Shape = Rectangle(height=1.0, width=1.0)  # in shares of the window
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self, "Patch", self.range[1] - self.range[0], "at most the range's width")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> PatchRegion:
        x = as_float(x)
        return PatchRegion(x, radii(radius, self, x), self)

    def window(self, x: Tensor) -> Tensor:
        """Return (h, w) bool: which pixels of the window belong to the patch.

        Raises InputError for a shape that covers none.
        """
        _, height, width = as_image(x)
        h, w = max(round(self.height * height), 1), max(round(self.width * width), 1)
        rows = (torch.arange(h, device=x.device, dtype=torch.float64)[:, None] + 0.5) / h
        columns = (torch.arange(w, device=x.device, dtype=torch.float64)[None] + 0.5) / w
        inside = self.shape.covers(rows, columns)
        if not bool(inside.any()):
            raise InputError(f"Patch: {self.shape} covers no pixel of a {h} x {w} window")
        return inside

    def sentence(self) -> str:
        shape = "" if self.shape == Rectangle(height=1.0, width=1.0) else f" ({self.shape})"
        return (
            f"one patch{shape} of {self.height:g} x {self.width:g} of the sides anywhere, values "
            f"up to {self.eps_text}, inputs in {self.range[0]:g}..{self.range[1]:g}"
        )


class PatchRegion:
    """Images with a patch. A point is (B, 2 + C h w): the window's first row and column, content.

    Places are whole pixels once realized; the gradient is that of a shift between pixels.
    """

    traits: ClassVar[frozenset[Trait]] = frozenset({Trait.VECTOR})

    def __init__(self, x: Tensor, radius: Tensor, space: Patch) -> None:
        self.x = x
        self.radius = radius
        self.space = space
        self.range = space.range
        self.image = x.reshape(len(x), *as_image(x))  # (B, C, H, W)
        self.window = space.window(x)  # (h, w) bool
        self.sides = (self.window.shape[0], self.window.shape[1])
        height, width = self.image.shape[2:]
        self.counts = (height - self.sides[0] + 1, width - self.sides[1] + 1)

    def center(self) -> Tensor:
        middle = torch.tensor([(n - 1) // 2 for n in self.counts], dtype=self.x.dtype)
        return self.point(middle.to(self.x.device).expand(len(self.x), 2), self.x)

    def init(self, at: Rng) -> Tensor:
        return self.project(self.scatter(at))

    def scatter(self, at: Rng) -> Tensor:
        place, shape = self._anywhere(at), self._content_shape
        noise = at.fold("content").uniform(shape, -1.0, 1.0).to(self.x.dtype)
        content = self._cut(place, self.image) + noise * expand_like(self.radius, noise)
        return _join(place, content)

    def lift(self, z: Tensor, at: Rng) -> Tensor:
        place, content = self._split(z)
        x_adv = self._with(self._whole(place), content)
        if place.requires_grad:
            shifted = self._shifted(place, content.detach())
            x_adv = x_adv + (shifted - shifted.detach())  # zero in value
        return x_adv.reshape(self.x.shape)

    def realize(self, z: Tensor, at: Rng) -> Tensor:
        return self.lift(z, at)

    def project(self, z: Tensor) -> Tensor:
        """Clamp the place, then the content there, to radius and range."""
        place, content = self._split(z)
        limits = torch.tensor(self.counts, dtype=z.dtype, device=z.device) - 1
        place = torch.minimum(place.clamp_min(0), limits)
        clean = self._cut(self._whole(place), self.image)
        reach, (low, high) = expand_like(self.radius, clean), self.space.range
        bounds = (clean - reach).clamp_min(low), (clean + reach).clamp_max(high)
        return _join(place, torch.clamp(content, *bounds))

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Move the content by fraction x radius, the place by that share of half the image."""
        half = (torch.tensor(self.counts, dtype=z.dtype, device=z.device) - 1) / 2
        share = torch.as_tensor(fraction, dtype=z.dtype, device=z.device)
        place, content = self._split(grad.sign())
        place = place * half * share.reshape(-1, 1)
        content = content * expand_like((self.radius * fraction), content)
        return z + _join(place, torch.where(self.window, content, 0.0))

    def size(self, z: Tensor) -> Tensor:
        place, content = self._split(z)
        change = content - self._cut(self._whole(place), self.image)
        return norm(torch.where(self.window, change, 0.0), torch.inf)

    def take(self, idx: Tensor) -> PatchRegion:
        return PatchRegion(take(self.x, idx), take(self.radius, idx), self.space)

    def fixed(self, place: Tensor) -> MaskedRegion:
        """Return the box of all contents at the places (B, 2); its points are inputs."""
        covered = self._covered(place).expand_as(self.image).reshape(self.x.shape)
        return MaskedRegion(self.x, self.radius, covered, self.space.range)

    def point(self, place: Tensor, x_adv: Tensor) -> Tensor:
        """Return the point of an input whose patch is at the places (B, 2)."""
        return _join(place, self._cut(place, x_adv.reshape(self.image.shape)))

    def places(self) -> Tensor:
        """Return (P, 2): every place, rows first."""
        rows, columns = (
            torch.arange(n, dtype=self.x.dtype, device=self.x.device) for n in self.counts
        )
        return torch.cartesian_prod(rows, columns).reshape(-1, 2)

    def promise(self, grad: Tensor) -> Tensor:
        """Return (B, P): the largest linear gain at each place, for a gradient at x."""
        grad = grad.reshape(self.image.shape)
        reach, (low, high) = expand_like(self.radius, self.image), self.space.range
        up = (self.image + reach).clamp_max(high) - self.image
        down = (self.image - reach).clamp_min(low) - self.image
        gain = torch.maximum(grad * up, grad * down).sum(1, keepdim=True)
        return F.conv2d(gain, self.window[None, None].to(gain.dtype)).flatten(1)

    def pasted(self, content: Tensor, at: Rng, covers: Tensor | None = None) -> Tensor:
        """Return the point that puts content (B, C, h, w) at a random place, within the set.

        covers: (B, 1, h, w) how much of each pixel the content covers; the image shows through.
        """
        place = self._anywhere(at)
        if covers is not None:
            clean = self._cut(place, self.image)
            content = clean + covers * (content - clean)
        return self.project(_join(place, content))

    def sample(self, at: Rng) -> Tensor:
        """Return a random place with vertical stripes of the most extreme allowed values."""
        place = self._anywhere(at)
        channels, _, width = self._content_shape
        signs = at.fold("content").sign((channels, 1, width)).to(self.x.dtype)
        content = self._cut(place, self.image) + signs * expand_like(self.radius, signs)
        return self.project(_join(place, content))

    def propose_start(self, at: Rng) -> Tensor:
        return self.sample(at)

    def propose(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        return self.resample(z, at, fraction)

    def resample(self, z: Tensor, at: Rng, fraction: float) -> Tensor:
        """Move the patch, once in a while, or give a square of it one extreme color.

        Sparse-RS on patches (Croce et al., 2022, arXiv:2006.12834, sec. 5).
        """
        place, content = self._split(z)
        place = self._whole(place)
        if at.step % _MOVES == _MOVES - 1:
            room = torch.tensor(self.counts, dtype=z.dtype, device=z.device) - 1
            reach = (room * (_FARTHEST * (1 - at.progress))).floor().clamp_min(1)
            move = (at.fold("move").uniform((2,), -1.0, 1.0).to(z.dtype) * (reach + 0.5)).round()
            return self.project(_join(place + move, content))
        square = draw(at, self.sides[0], self.sides[1], fraction).mask(*self.sides)[:, None]
        signs = at.fold("color").sign((content.shape[1], 1, 1)).to(z.dtype)
        clean = self._cut(place, self.image)
        fresh = clean + signs * expand_like(self.radius, clean)
        return self.project(_join(place, torch.where(square, fresh, content)))

    def contains_point(self, x_adv: Tensor, z: Tensor) -> Tensor:
        """Audit with the latent point, (B,) bool: unchanged outside its window, which it fills."""
        place, content = self._split(z)
        limits = torch.tensor(self.counts, dtype=z.dtype, device=z.device) - 1
        placed = ((place >= 0) & (place <= limits)).all(1)
        place = torch.where(placed[:, None], self._whole(place), 0.0)
        shown = x_adv.reshape(self.image.shape)
        apart = (self._cut(place, shown).double() - content.double()).abs()
        told = (torch.where(self.window, apart, 0.0) <= self._slack()).flatten(1).all(1)
        outside = torch.where(self._covered(place), self.image, shown)
        return placed & told & (outside == self.image).flatten(1).all(1) & self._near(shown)

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit in float64, (B,) bool: all that changed fits into one window, within radius, range.

        Exact: the changed pixels are counted in the window at every place.
        """
        shown = x_adv.reshape(self.image.shape)
        changed = (shown != self.image).any(1, keepdim=True).double()
        covered = F.conv2d(changed, self.window[None, None].double()).flatten(1).amax(1)
        return (covered > changed.flatten(1).sum(1) - 0.5) & self._near(shown)

    def _near(self, shown: Tensor) -> Tensor:
        low, high = self.space.range
        change = (shown.double() - self.image.double()).abs()
        slack = 1e-6 * self.radius.double() + self._slack()
        valid = (shown >= low) & (shown <= high)
        return (
            (valid & (change <= expand_like(self.radius.double() + slack, change)))
            .flatten(1)
            .all(1)
        )

    def _slack(self) -> float:
        return 2.0**-24 * max(map(abs, self.space.range))

    @cached_property
    def _content_shape(self) -> tuple[int, ...]:
        return (self.image.shape[1], *self.sides)

    def _split(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return place (B, 2) and content (B, C, h, w)."""
        return z[:, :2], z[:, 2:].reshape(len(z), *self._content_shape)

    def _whole(self, place: Tensor) -> Tensor:
        """Return the nearest whole place (B, 2) in the image, without a gradient."""
        limits = torch.tensor(self.counts, dtype=place.dtype, device=place.device) - 1
        return torch.minimum(place.detach().round().clamp_min(0), limits)

    def _anywhere(self, at: Rng) -> Tensor:
        """Draw a place (B, 2) for each example, all alike."""
        draws = (at.fold("row").integers(0, self.counts[0]), at.fold("column"))
        return torch.stack([draws[0], draws[1].integers(0, self.counts[1])], 1).to(self.x.dtype)

    def _indices(self, place: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return where in (B, C, H, W) the windows at whole places lie."""
        device = place.device
        row, column = place.long().unbind(1)
        h, w = self.sides
        return (
            torch.arange(len(place), device=device)[:, None, None, None],
            torch.arange(self.image.shape[1], device=device)[None, :, None, None],
            (row[:, None] + torch.arange(h, device=device))[:, None, :, None],
            (column[:, None] + torch.arange(w, device=device))[:, None, None, :],
        )

    def _cut(self, place: Tensor, image: Tensor) -> Tensor:
        """Return (B, C, h, w): the windows of images at whole places."""
        return image[self._indices(place)]

    def _with(self, place: Tensor, content: Tensor) -> Tensor:
        """Return the images with the content pasted at whole places."""
        values = torch.where(self.window, content, self._cut(place, self.image))
        return self.image.index_put(self._indices(place), values)

    def _covered(self, place: Tensor) -> Tensor:
        """Return (B, 1, H, W) bool: where a patch at whole places lies."""
        height, width = self.image.shape[2:]
        windows = Windows(place[:, 0].long(), place[:, 1].long(), *self.sides)
        patch = self.window.to(self.x.dtype).expand(len(place), -1, -1)
        return (windows.paste(patch, height, width) > 0)[:, None]

    def _shifted(self, place: Tensor, content: Tensor) -> Tensor:
        """Return the images with the content pasted between pixels, for the gradient of a place."""
        height, width = self.image.shape[2:]
        rows = torch.arange(height, dtype=place.dtype, device=place.device)[None, :, None]
        columns = torch.arange(width, dtype=place.dtype, device=place.device)[None, None]
        rows, columns = torch.broadcast_tensors(
            rows - place[:, :1, None], columns - place[:, 1:, None]
        )
        patch = torch.where(self.window, content, 0.0)
        cover = self.window.to(content.dtype).expand(len(content), 1, -1, -1)
        both = sample(torch.cat([patch, cover], 1), rows, columns)
        return self.image * (1 - both[:, -1:]) + both[:, :-1]


def _join(place: Tensor, content: Tensor) -> Tensor:
    return torch.cat([place, content.flatten(1)], 1)
