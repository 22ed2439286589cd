"""Numbers as people write them, and the bounds and units that annotations give to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, NamedTuple

from holdfast.errors import InputError

Number = str | float | int


class Within(NamedTuple):
    """The bounds of a number, in an annotation; both are allowed."""

    low: float
    high: float = math.inf
    endless: bool = False  # whether infinity is allowed

    def holds(self, value: float) -> bool:
        """Return True if `value` lies within."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"at least {self.low:g}"
        return f"in {self.low:g}..{self.high:g}"


class Ascending(NamedTuple):
    """A pair (low, high) with low below high, in an annotation."""

    def holds(self, value: tuple[float, float]) -> bool:
        """Return True if `value` ascends."""
        return value[0] < value[1]

    def __str__(self) -> str:
        return "(low, high) with low < high"


class Said(NamedTuple):
    """How an error calls what an argument must be, in an annotation."""

    words: str


class Unit(NamedTuple):
    """The unit of a length that other libraries write in the units of the data, in an annotation.

    radius: whether it is a fraction of the radius, which eps converts.
    """

    name: str
    radius: bool = False

    def fix(self, text: str) -> str:
        """Return what to write instead of a length in the units of the data, such as "2/255"."""
        if not self.radius:
            return f"it is {self.name}, not in the data's units: write a number such as 0.1"
        try:
            length, example = number(text), number("8/255")
        except InputError:
            return f"it is {self.name}: write a number such as 0.25"
        return (
            f"that is in the data's units, and it is {self.name}: divide by eps "
            f"(at eps=8/255 write {length / example:.6g})"
        )


Length = Annotated[float, Within(-math.inf, endless=True)]  # infinite for all valid inputs
Seed = Annotated[int, Within(0, 2**63 - 1), Said("a whole number in 0..2**63-1")]
Count = Annotated[int, Within(1)]
BatchSize = Annotated[int, Within(1, 2**20)]  # every batch is padded to it
Bounds = Annotated[tuple[float, float], Ascending()]
Radii = Annotated[Sequence[Number], Said("a list of radii")]


def number(value: object, what: str = "eps") -> float:
    """Return `value` as a finite float; text may be a decimal or a quotient such as `"8/255"`.

    Raises InputError if `value` is not a number or not finite.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, str | float | int | Fraction):
            raise TypeError
        result = _parse(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise InputError(f"{what} must be a number such as 0.3 or '8/255', got {value!r}") from None
    if not math.isfinite(result):
        raise InputError(f"{what} must be finite, got {value!r}")
    return result


def _parse(text: str) -> float:
    """Divide in floating point, as the literature's `8/255` does, rather than round a rational."""
    if "/" not in text:
        return float(text)
    above, below = text.split("/")
    return float(above) / float(below)
