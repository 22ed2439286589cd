"""Common corruptions at five severities (Hendrycks and Dietterich, 2019, arXiv:1903.12261).

Constants after those of their code for images of 32 x 32. Random draws come from the given rng,
each example its own. Images are (B, C, H, W) in 0..1; no example's result depends on
how many others there are, so sums run over shifted images and not through matrix products.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import ceil, floor
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from holdfast.components import register
from holdfast.errors import InputError
from holdfast.resampling import centered, sample_centered
from holdfast.rng import Rng

SEVERITIES = 5


class Corruption:
    """The interface of every corruption; subclasses are frozen dataclasses without fields."""

    kind: ClassVar[str] = "corruption"
    draws: ClassVar[bool] = False  # True if it is random

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        """Return x (B, C, H, W) in 0..1 as it comes out, perhaps beyond; severity: 1 to 5."""
        raise NotImplementedError


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Corruption):
    """Noise as of a sensor in poor light."""

    draws: ClassVar[bool] = True

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        std = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
        return x + std * at.normal(tuple(x.shape[1:])).to(x.dtype)


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class ShotNoise(Corruption):
    """Noise of counted photons, in its normal approximation: brighter is noisier."""

    draws: ClassVar[bool] = True

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        photons = (500, 250, 100, 75, 50)[severity - 1]
        return x + (x.clamp_min(0) / photons).sqrt() * at.normal(tuple(x.shape[1:])).to(x.dtype)


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class ImpulseNoise(Corruption):
    """A share of the values is black or white (salt and pepper)."""

    draws: ClassVar[bool] = True

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        share = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
        draw = at.uniform(tuple(x.shape[1:]))
        return torch.where(draw < share / 2, 0.0, torch.where(draw < share, 1.0, x))


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class SpeckleNoise(Corruption):
    """Noise in proportion to the value."""

    draws: ClassVar[bool] = True

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        std = (0.06, 0.10, 0.12, 0.16, 0.20)[severity - 1]
        return x * (1 + std * at.normal(tuple(x.shape[1:])).to(x.dtype))


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class DefocusBlur(Corruption):
    """Out of focus: the mean over a disc, softened."""

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        radius, soft = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))[severity - 1]
        place = torch.arange(-3, 4, dtype=torch.float64)
        disc = (place[:, None] ** 2 + place**2 <= radius**2).double()[None, None]
        bell = torch.exp(-0.5 * (torch.arange(-1, 2, dtype=torch.float64) / soft) ** 2)
        bell = bell[:, None] * bell
        kernel = F.conv2d(disc / disc.sum(), (bell / bell.sum())[None, None], padding=1)[0, 0]
        wide, (height, width) = F.pad(x, (3, 3, 3, 3), mode="replicate"), x.shape[2:]
        total = torch.zeros_like(x)
        for i, j in kernel.nonzero().tolist():
            part = wide[:, :, i : i + height, j : j + width]
            total = total + float(kernel[i, j]) * part
        return total


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class MotionBlur(Corruption):
    """The camera moved, in a direction within 45 degrees of a row."""

    draws: ClassVar[bool] = True

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        reach, width = ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))[severity - 1]
        angle = at.uniform((1, 1), -torch.pi / 4, torch.pi / 4).to(x.dtype)
        rows, columns = centered(x)
        most = [(n - 1) / 2 for n in x.shape[2:]]
        total, weights = torch.zeros_like(x), 0.0
        for k in range(reach + 1):
            weight = float(np.exp(-0.5 * (k / width) ** 2))
            down = (rows + k * angle.sin()).clamp(-most[0], most[0])
            right = (columns + k * angle.cos()).clamp(-most[1], most[1])
            total, weights = total + weight * sample_centered(x, down, right), weights + weight
        return total / weights


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class ZoomBlur(Corruption):
    """The camera moved towards the image: the mean over enlargements of it."""

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        count = (6, 11, 16, 21, 26)[severity - 1]
        rows, columns = centered(x)
        total = x
        for k in range(count):
            factor = 1 + 0.01 * k
            total = total + sample_centered(x, rows / factor, columns / factor)
        return total / (count + 1)


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class Fog(Corruption):
    """A haze of smooth noise at several scales, which lifts and flattens the image."""

    draws: ClassVar[bool] = True

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        amount, decay = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))[severity - 1]
        height, width = x.shape[2:]
        haze, side, strength = torch.zeros_like(x[:, :1]), 1, 1.0
        while side < max(height, width):
            coarse = at.fold("octave", side).uniform((1, side + 1, side + 1)).to(x.dtype)
            fine = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
            haze, side, strength = haze + strength * fine, 2 * side, strength / decay
        low = haze.amin((2, 3), keepdim=True)
        haze = (haze - low) / (haze.amax((2, 3), keepdim=True) - low).clamp_min(1e-6)
        brightest = x.amax((1, 2, 3), keepdim=True)
        return (x + amount * haze) * (brightest / (brightest + amount))


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class Brightness(Corruption):
    """The same added to every value."""

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        return x + (0.05, 0.10, 0.15, 0.20, 0.30)[severity - 1]


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class Contrast(Corruption):
    """Values drawn towards the mean of their channel."""

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return mean + (0.75, 0.50, 0.40, 0.30, 0.15)[severity - 1] * (x - mean)


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class Pixelate(Corruption):
    """Shown with fewer pixels: the mean over each larger one."""

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        share = (0.95, 0.90, 0.85, 0.75, 0.65)[severity - 1]
        return _coarse(_coarse(x.mT, share).mT, share)


@register("corruption")
@dataclass(frozen=True, kw_only=True)
class Jpeg(Corruption):
    """Saved as a JPEG file and read again, by Pillow; gray images or three colors."""

    def __call__(self, x: Tensor, severity: int, at: Rng) -> Tensor:
        if x.shape[1] not in (1, 3):
            raise InputError(f"JPEG files hold 1 or 3 channels, got {x.shape[1]}: leave Jpeg out")
        quality = (80, 65, 58, 50, 40)[severity - 1]
        levels = (x.detach().float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        found = [_through_jpeg(each.permute(1, 2, 0).numpy(), quality) for each in levels]
        stacked = torch.stack(found) if found else levels
        return (stacked.to(x.dtype) / 255).reshape(x.shape).to(x.device)


def _through_jpeg(pixels: np.ndarray, quality: int) -> Tensor:
    """Return (C, H, W) uint8 of pixels (H, W, C)."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.save(buffer, format="JPEG", quality=quality)
    found = np.array(Image.open(buffer)).reshape(pixels.shape)
    return torch.from_numpy(found).permute(2, 0, 1)


def _coarse(x: Tensor, share: float) -> Tensor:
    """Return x with means over windows along its last axis, each shown over its own share of it."""
    n = x.shape[-1]
    m = max(int(n * share), 1)
    windows = [min(int((i + 0.5) * m / n), m - 1) for i in range(n)]  # the one that i shows
    total = torch.zeros_like(x)
    for k in range(ceil(n / m) + 1):  # the k-th pixel of each window, by how much of it is inside
        pixel = [min(floor(w * n / m) + k, n - 1) for w in windows]
        inside = [
            max(
                min((w + 1) * n / m, floor(w * n / m) + k + 1)
                - max(w * n / m, floor(w * n / m) + k),
                0,
            )
            for w in windows
        ]
        weight = torch.tensor(inside, dtype=torch.float64) * (m / n)
        index = torch.tensor(pixel, device=x.device)
        total = total + weight.to(x) * x.index_select(-1, index)
    return total


EVERY: tuple[Corruption, ...] = (
    GaussianNoise(),
    ShotNoise(),
    ImpulseNoise(),
    SpeckleNoise(),
    DefocusBlur(),
    MotionBlur(),
    ZoomBlur(),
    Fog(),
    Brightness(),
    Contrast(),
    Pixelate(),
    Jpeg(),
)
