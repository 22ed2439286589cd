"""Random, differentiable transformations of images between the world and a network.

The distribution of transformations of expectation over transformation (Athalye et al., 2018,
arXiv:1707.07397, sec. 2.1). Images are (B, C, H, W); every example draws its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from holdfast.components import register
from holdfast.resampling import centered, rotate, sample_centered
from holdfast.rng import Rng
from holdfast.units import NotNegative, UpToOne, Within


class Transform:
    """The interface of every transformation; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "transform"
    moves: ClassVar[bool] = False  # pixels from place to place, of any values

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        """Return x (B, C, H, W) as it may be seen, one draw for each example."""
        raise NotImplementedError


@register("transform")
@dataclass(frozen=True, kw_only=True)
class Rotation(Transform):
    """Turned about the center by up to `degrees` either way."""

    moves: ClassVar[bool] = True

    degrees: Annotated[float, Within(0, 180)] = 20.0

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        angle = at.uniform((), -self.degrees, self.degrees).to(x.dtype) * (pi / 180)
        return sample_centered(x, *rotate(*centered(x), angle))


@register("transform")
@dataclass(frozen=True, kw_only=True)
class Scaling(Transform):
    """Seen from nearer or farther: larger or smaller by a factor of at most 1 + `share`."""

    moves: ClassVar[bool] = True

    share: Annotated[float, Within(0, 10)] = 0.2

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        power = at.uniform((), -1.0, 1.0).to(x.dtype)
        factor = ((1 + self.share) ** power)[:, None, None]
        rows, columns = centered(x)
        return sample_centered(x, rows / factor, columns / factor)


@register("transform")
@dataclass(frozen=True, kw_only=True)
class Translation(Transform):
    """Moved by up to `share` of the image's sides, by parts of pixels too."""

    moves: ClassVar[bool] = True

    share: UpToOne = 0.1

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        move = at.uniform((2, 1, 1), -self.share, self.share).to(x.dtype)
        rows, columns = centered(x)
        return sample_centered(x, rows + move[:, 0] * x.shape[2], columns + move[:, 1] * x.shape[3])


@register("transform")
@dataclass(frozen=True, kw_only=True)
class Perspective(Transform):
    """Seen at a slant: one side up to `share` nearer than the middle, in perspective."""

    moves: ClassVar[bool] = True

    share: Annotated[float, Within(0, 0.9)] = 0.2

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        slant = at.uniform((2, 1, 1), -self.share / 2, self.share / 2).to(x.dtype)
        rows, columns = centered(x)
        depth = 1 + slant[:, 0] * 2 * rows / x.shape[2] + slant[:, 1] * 2 * columns / x.shape[3]
        return sample_centered(x, rows / depth, columns / depth)


@register("transform")
@dataclass(frozen=True, kw_only=True)
class BrightnessContrast(Transform):
    """In other light: contrast times 1 +- `contrast`, then brightness +- `brightness`."""

    contrast: UpToOne = 0.2
    brightness: NotNegative = 0.1  # in the units of the data

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        shape = (1, 1, 1)
        gain = 1 + at.fold("gain").uniform(shape, -self.contrast, self.contrast).to(x.dtype)
        lift = at.fold("lift").uniform(shape, -self.brightness, self.brightness).to(x.dtype)
        return x * gain + lift


@register("transform")
@dataclass(frozen=True, kw_only=True)
class GaussianBlur(Transform):
    """Blurred by a Gaussian of up to `pixels` standard deviation."""

    pixels: Annotated[float, Within(0, 100)] = 1.0

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        width = at.uniform((1, 1), 0.0, self.pixels).to(x.dtype).clamp_min(1e-3)
        return _band(x.shape[2], width) @ x @ _band(x.shape[3], width).mT


@register("transform")
@dataclass(frozen=True, kw_only=True)
class PrintedColors(Transform):
    """As paper gives colors back: each channel times 1 +- `gain`, plus +- `shift`, with grain."""

    gain: UpToOne = 0.1
    shift: NotNegative = 0.05  # in the units of the data
    grain: NotNegative = 0.01  # standard deviation of the noise of each pixel

    def __call__(self, x: Tensor, at: Rng) -> Tensor:
        shape = (x.shape[1], 1, 1)
        gain = 1 + at.fold("gain").uniform(shape, -self.gain, self.gain).to(x.dtype)
        shift = at.fold("shift").uniform(shape, -self.shift, self.shift).to(x.dtype)
        noise = at.fold("grain").normal(tuple(x.shape[1:])).to(x.dtype)
        return x * gain + shift + self.grain * noise


def _band(n: int, width: Tensor) -> Tensor:
    """Return (B, 1, n, n): a Gaussian of standard deviation `width` (B, 1, 1), rows sum to 1."""
    place = torch.arange(n, device=width.device, dtype=width.dtype)
    apart = place[:, None] - place
    log_weights = -0.5 * (apart / width[:, :, None]) ** 2
    return log_weights.softmax(-1).reshape(len(width), 1, n, n)
