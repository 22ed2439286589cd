"""Views with other images mixed in, from a set of their own and never from the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.attacks.transfer.views import View
from holdfast.claims.digest import tensor_digest
from holdfast.components import register
from holdfast.errors import InputError
from holdfast.rng import Rng
from holdfast.units import Count, Positive


class Images:
    """The interface of every source of other images; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "images"

    def pick(self, x: Tensor, y: Tensor, at: Rng) -> Tensor:
        """Return one image for each of x (B, ...), of another class than y (B,) where known."""
        raise NotImplementedError


@register("images")
@dataclass(frozen=True, kw_only=True)
class NoiseImages(Images):
    """Uniform noise in place of images: the control for mixing with real images."""

    low: float = 0.0  # smallest value of the noise
    high: float = 1.0  # largest value of the noise

    def pick(self, x: Tensor, y: Tensor, at: Rng) -> Tensor:
        return at.uniform(tuple(x.shape[1:]), self.low, self.high).to(x.dtype)


@register("images")
@dataclass(frozen=True, kw_only=True)
class ImagePool(Images):
    """Images that the caller gives: `ImagePool.of(x, y)`.

    As plain data it is its digest: a claim says which images were used, and does not hold them.
    """

    digest: str  # sha256 of the images and of their labels

    @classmethod
    def of(cls, x: Tensor, y: Tensor | None = None) -> ImagePool:
        """Return the pool of the images x (N, ...), with their labels y (N,) where known."""
        if len(x) == 0 or (y is not None and len(y) != len(x)):
            raise InputError(
                f"a pool needs images and as many labels, got {len(x)} images and "
                f"{'no' if y is None else len(y)} labels"
            )
        pool = cls(digest=tensor_digest(x) + ("" if y is None else tensor_digest(y)))
        pool.__dict__.update(x=x.detach(), y=y)
        return pool

    def pick(self, x: Tensor, y: Tensor, at: Rng) -> Tensor:
        images, labels = self._given(x)
        draw = at.uniform()
        if labels is None:
            return images[(draw * len(images)).long()]
        other = labels.to(y.device)[None] != y[:, None]  # (B, N)
        other = torch.where(other.any(1, keepdim=True), other, True)
        place = (draw * other.sum(1)).long().clamp_max(other.sum(1) - 1) + 1
        chosen = (other.cumsum(1) == place[:, None]) & other
        return images[chosen.long().argmax(1)]

    def _given(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        images = self.__dict__.get("x")
        if images is None:
            raise InputError(
                f"the images of pool {self.digest[:12]} are not here: make it by ImagePool.of(x, y)"
            )
        if images.shape[1:] != x.shape[1:]:
            raise InputError(
                f"images to mix in must be shaped like the inputs, {tuple(x.shape[1:])}, "
                f"got {tuple(images.shape[1:])}"
            )
        return images.to(x), self.__dict__["y"]


@register("view")
@dataclass(frozen=True, kw_only=True)
class MixedCopies(View):
    """Copies with a little of another image added (Admix; X. Wang et al., 2021, eq. 6)."""

    images: Images
    strength: Positive = 0.2  # weight of the other image
    mixed: Count = 3  # images that are mixed in, one after the other

    @property
    def count(self) -> int:
        return self.mixed

    def see(self, x: Tensor, y: Tensor, at: Rng, i: int) -> Tensor:
        return x + self.strength * self.images.pick(x.detach(), y, at)
