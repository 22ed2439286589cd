"""Starting points of a search inside the set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from holdfast.components import register
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import NotNegative


class Start:
    """The interface of every start; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "start"

    def __call__(self, region: Region, rng: Rng) -> Tensor:
        """Return the first point, (B, ...), inside the set."""
        raise NotImplementedError

    def for_training(self, region: Region, rng: Rng) -> Tensor:
        """Return the first point of a search whose walk is not scored; it may be outside."""
        return self(region, rng)


@register("start")
@dataclass(frozen=True, kw_only=True)
class Unchanged(Start):
    """The unchanged input (FGSM, BIM)."""

    def __call__(self, region: Region, rng: Rng) -> Tensor:
        return region.center()


@register("start")
@dataclass(frozen=True, kw_only=True)
class Uniform(Start):
    """A uniform draw from the set (Madry et al., 2018, sec. 2.1)."""

    def __call__(self, region: Region, rng: Rng) -> Tensor:
        return region.init(rng.fold("start"))


@register("start")
@dataclass(frozen=True, kw_only=True)
class Scatter(Start):
    """A uniform draw from the ball that in training may leave the valid range.

    Wong et al., 2020, algorithm 3, start here. Where most inputs sit on the edge of the range, as
    black pixels do, clipping first would take the start's variety away: every step of 1.25 eps
    would end in a corner, and the network would learn to expect corners alone. Where points are
    scored, the draw is projected first: points outside the set are no counterexamples.
    """

    def __call__(self, region: Region, rng: Rng) -> Tensor:
        return region.project(self.for_training(region, rng))

    def for_training(self, region: Region, rng: Rng) -> Tensor:
        return region.scatter(rng.fold("start"))


@register("start")
@dataclass(frozen=True, kw_only=True)
class Gaussian(Start):
    """The unchanged input plus a little Gaussian noise (TRADES; Zhang et al., 2019, algorithm 1).

    A divergence from the unchanged input has no gradient there, hence the noise.
    """

    std: NotNegative = 0.001  # in the units of the data

    def __call__(self, region: Region, rng: Rng) -> Tensor:
        z = region.center()
        noise = rng.fold("start").normal(tuple(z.shape[1:]))
        return region.project(z + self.std * noise.to(z.dtype))
