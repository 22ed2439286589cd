"""The L0 ball of pixels: at most eps of them change, each in all its channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.components import register
from holdfast.spaces.norm_balls.cardinality import CardinalityBall, check_count
from holdfast.tensors import as_float, as_image
from holdfast.threat import Space, check_ball, radii
from holdfast.units import Number


@register("space", name="pixel_l0")
@dataclass(frozen=True, kw_only=True)
class PixelL0(Space):
    """At most eps pixels change, each in all its channels to anything in `range`.

    eps: a whole number of pixels, as sparse-RS, sPGD and the one-pixel attack count. Any input is
    seen as (channels, height, width), a flat one as one row. Raises InputError unless eps is 1 or
    more; an eps beyond the number of pixels is refused when the inputs are known.
    """

    eps: Number
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_count(self, "PixelL0", "pixels")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> PixelRegion:
        x = as_float(x)
        if radius is None:
            _, height, width = as_image(x)
            check_ball(self, "PixelL0", height * width, f"an input has {height * width} pixels")
        return PixelRegion(x, radii(radius, self, x), self.range)

    def sentence(self) -> str:
        return f"L0 eps={self.eps_text} pixels, inputs in {self.range[0]:g}..{self.range[1]:g}"


class PixelRegion(CardinalityBall):
    """Inputs that differ in few pixels: a pixel's channels are one place."""

    @property
    def grid(self) -> tuple[int, int, int]:
        return as_image(self.x)
