"""The interface of every set that an attacker may choose from."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.components import describe, digest
from holdfast.errors import HoldfastWarning, InputError, outside
from holdfast.threat.region import Region
from holdfast.units import Bounds, Length, Number, number


class Space:
    """One family of allowed changes; owns the valid range; never sees a model.

    Subclasses are frozen dataclasses with at least `eps` (as written) and `range`.
    """

    kind: ClassVar[str] = "space"
    lengths: ClassVar[bool] = False  # True if eps is a length, in the units of the data
    eps: Number
    range: tuple[float, float]

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for a common mistake: an eps passed for a set."""
        number_alone = isinstance(value, int | float) and not isinstance(value, bool)
        return f"write Linf(eps={value!r})" if number_alone else None

    @property
    def radius(self) -> float:
        """Return eps as a number, in the units of the data."""
        return number(self.eps)

    @property
    def eps_text(self) -> str:
        """Return eps as a claim writes it: 1.0 as 1, text as it is."""
        return str(describe(self.eps))

    @property
    def digest(self) -> str:
        """Return the sha256 of this space's canonical JSON."""
        return digest(self)

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> Region:
        """Return the set around a batch; radius per example (B,), or one number, or eps."""
        raise NotImplementedError

    def sentence(self) -> str:
        """Return the set in words, for claims and reports."""
        raise NotImplementedError


@checked
def check_ball(space: Space, name: str, widest: Length, fix: str) -> None:
    """Refuse an eps that is not positive or that spans more than the whole range."""
    low, high = space.range
    if not low < high:
        raise InputError(f"range must be (low, high) with low < high, got {space.range}")
    if not 0 < space.radius <= widest:
        raise InputError(
            f"{name}: eps must be in (0, {widest:g}], got {space.eps}; inputs are in "
            f"{low:g}..{high:g}: {fix}"
        )


def too_small(space: Space) -> str | None:
    """Return a line on an eps that is below a hundredth of a gray level of the stated range."""
    low, high = space.range
    level = (high - low) / 255
    if not space.lengths or space.radius >= level / 100:
        return None
    return (
        f"eps={space.eps} is below a hundredth of a gray level of the range {low:g}..{high:g}: a "
        f"level is {level:.3g} there; check that eps was not divided twice"
    )


def warn_if_tiny(space: Space) -> None:
    """Warn of an eps that is below a hundredth of a gray level."""
    if tiny := too_small(space):
        warnings.warn(tiny, HoldfastWarning, stacklevel=outside())


def check_ranges(bounds: Bounds, space: Space, data: Bounds | None = None) -> None:
    """Raise InputError unless the model's inputs (`bounds`), the set and the data have one range.

    The error names model or set where these differ, else the data.
    """
    model, mine = tuple(bounds), tuple(space.range)
    if model != mine:
        raise InputError(
            f"the model takes inputs in {model} and the threat model's set in {mine}: give both "
            f"the same range, by wrap(model, range={mine}) or {type(space).__name__}(range={model})"
        )
    if data is not None and tuple(data) != model:
        raise InputError(
            f"the data's range is {tuple(data)} and that of the model and the threat model's set "
            f"{model}: give all the same range, of data by from_tensors(x, y, range={model})"
        )


@checked
def radii(radius: Length | Tensor | None, space: Space, x: Tensor) -> Tensor:
    """Return (B,) radii in x's dtype from one number, one per example, or the space's eps."""
    if radius is None:
        radius = space.radius
    if x.dim() == 0 or not x.is_floating_point():
        raise InputError(f"x must be floats of shape (N, ...), got {x.dtype} {tuple(x.shape)}")
    if isinstance(radius, Tensor) and radius.is_complex():
        raise InputError(f"radius must be real, got {radius.dtype}")
    values = torch.as_tensor(radius, dtype=x.dtype, device=x.device)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != len(x)):
        raise InputError(
            f"radius must be one number or one per example ({len(x)}), got shape "
            f"{tuple(values.shape)}"
        )
    if not bool((values >= 0).all()):
        raise InputError(f"radius must be 0 or more, got {float(values.min()):g}")
    return values.expand(len(x))
