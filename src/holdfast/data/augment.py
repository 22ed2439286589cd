"""Augmentation of an example by (seed, epoch, id), independent of its batch mates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.rng import Rng
from holdfast.units import Pixels


class Augmentation:
    """The interface of every augmentation; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "augmentation"

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for a transformation of others, which draws by itself."""
        return "put other transformations into your Dataset" if callable(value) else None

    def __call__(self, x: Tensor, rng: Rng) -> Tensor:
        """Return x (B, ...) changed by draws of `rng`, which is folded by the epoch."""
        raise NotImplementedError


@register("augmentation")
@dataclass(frozen=True, kw_only=True)
class FlipCrop(Augmentation):
    """Shift an image by up to `pad` pixels, black moving in, and mirror it half of the time."""

    pad: Pixels = 4  # pixels
    flip: bool = True  # whether images are mirrored at random

    def __call__(self, x: Tensor, rng: Rng) -> Tensor:
        if x.dim() != 4:
            raise InputError(f"FlipCrop needs images (B, C, H, W), got shape {tuple(x.shape)}")
        count, channels, height, width = x.shape
        offsets = rng.fold("crop").integers(0, 2 * self.pad + 1, (2,))  # (B, 2)
        rows = offsets[:, :1] + torch.arange(height, device=x.device)  # (B, H)
        columns = torch.arange(width, device=x.device).expand(count, width)
        if self.flip:
            mirrored = rng.fold("flip").integers(0, 2, (1,)).bool()  # (B, 1)
            columns = torch.where(mirrored, columns.flip(1), columns)
        columns = offsets[:, 1:] + columns  # (B, W)
        padded = F.pad(x, (self.pad,) * 4)
        example = torch.arange(count, device=x.device)[:, None, None, None]
        channel = torch.arange(channels, device=x.device)[:, None, None]
        return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]]
