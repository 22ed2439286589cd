"""The L0 ball: at most eps coordinates change, each as far as the range allows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor

from holdfast.components import register
from holdfast.spaces.norm_balls.cardinality import CardinalityBall, check_count
from holdfast.tensors import as_float, as_image
from holdfast.threat import Space, check_ball, radii
from holdfast.units import Number


@register("space")
@dataclass(frozen=True, kw_only=True)
class L0(Space):
    """At most eps coordinates change, each to anything in `range`.

    eps: a whole number of coordinates. Every number of the input is one: a pixel of a color image
    has three, as in AttackBench and sigma-zero; PixelL0 counts pixels. Raises InputError unless eps
    is 1 or more; an eps beyond the number of coordinates is refused when the inputs are known.
    """

    eps: Number
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_count(self, "L0", "coordinates")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> L0Region:
        x = as_float(x)
        if radius is None:
            check_ball(self, "L0", prod(x.shape[1:]), f"an input has {prod(x.shape[1:])} numbers")
        return L0Region(x, radii(radius, self, x), self.range)

    def sentence(self) -> str:
        return f"L0 eps={self.eps_text} coordinates, inputs in {self.range[0]:g}..{self.range[1]:g}"


class L0Region(CardinalityBall):
    """Inputs that differ in few coordinates: each is a place of its own."""

    @property
    def grid(self) -> tuple[int, int, int]:
        channels, height, width = as_image(self.x)
        return 1, channels * height, width
