"""Numbers as people write them, and the bounds and units that annotations give to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import ContextVar
from fractions import Fraction
from typing import Annotated, NamedTuple

from holdfast.errors import InputError

Number = str | float | int
BOUNDLESS = 1e6  # a larger bound only says what a computer can hold


class Within(NamedTuple):
    """The bounds of a number, in an annotation; allowed themselves unless it is above or below."""

    low: float
    high: float = math.inf
    endless: bool = False  # whether infinity is allowed
    above: bool = False  # whether the number must be above `low`
    below: bool = False  # whether it must be below `high`

    def holds(self, value: float) -> bool:
        """Return True if `value` lies within."""
        above = self.low < value or (value == self.low and not self.above)
        return above and (value < self.high or (value == self.high and not self.below))

    def refusal(self, value: float) -> str:
        """Return what a value that lies outside must be."""
        return self.interval if value >= self.high else str(self)

    @property
    def interval(self) -> str:
        """Return both bounds as an interval."""
        opening, closing = "(" if self.above else "[", ")" if self.below else "]"
        return f"in {opening}{self.low:g}, {self.high:g}{closing}"

    def __str__(self) -> str:
        if self.high < BOUNDLESS:
            return self.interval
        return f"{'above' if self.above else 'at least'} {self.low:g}"


class Ascending(NamedTuple):
    """A pair (low, high) with low below high, in an annotation."""

    def holds(self, value: tuple[float, float]) -> bool:
        """Return True if `value` ascends."""
        return value[0] < value[1]

    def refusal(self, value: tuple[float, float]) -> str:
        """Return what a pair that does not ascend must be."""
        return str(self)

    def __str__(self) -> str:
        return "(low, high) with low < high"


class Said(NamedTuple):
    """The words in which an error says what an argument must be, in an annotation."""

    words: str


class Unit(NamedTuple):
    """The unit of a length that other libraries write in the units of the data, in an annotation.

    radius: whether it is a fraction of the radius, which eps converts.
    """

    name: str
    radius: bool = False

    def refusal(self, where: str, text: str) -> str:
        """Return the fix for a length in the units of the data, such as "2/255"."""
        field = where.rpartition(".")[2]
        wrong = f'{where}="{text}" is in the data\'s units; {field} is {self.name}'
        if not self.radius:
            return f"{wrong}: write a plain number"
        eps = AT_EPS.get()
        try:
            fraction = number(text) / number(eps)
        except (InputError, ZeroDivisionError):
            return f"{where} is {self.name}, got {text!r}: write a number such as 0.25"
        return f"{wrong}, so divide by eps: at eps={eps} write {field}={fraction:.6g}"


AT_EPS: ContextVar[Number] = ContextVar("AT_EPS", default="8/255")
"""The eps to which a refusal converts a length: that of the configuration, or the usual one."""

_STEP = Within(0, BOUNDLESS, above=True)  # longer ones overflow float32 where they are squared
OfRadius = Annotated[float, _STEP, Unit("a fraction of the radius", radius=True)]
OfRange = Annotated[float, _STEP, Unit("in widths of the range")]
OfCube = Annotated[float, _STEP, Unit("a fraction of the largest cube in the set")]
OfSearch = Annotated[float, _STEP, Unit("Adam's, in the coordinates of the search")]
OfBoundary = Annotated[float, _STEP, Unit("in distances to the boundary")]
OfWay = Annotated[float, Within(0, 1, above=True), Unit("a share of the way")]
OfDirection = Annotated[float, _STEP, Unit("a fraction of the direction's length")]
Length = Annotated[float, Within(-math.inf, endless=True)]  # infinite for all valid inputs
Positive = Annotated[float, Within(0, above=True)]
NotNegative = Annotated[float, Within(0)]
Share = Annotated[float, Within(0, 1, above=True)]  # of a whole, or all of it
Part = Annotated[float, Within(0, 1, below=True)]  # of a whole, or nothing of it
UpToOne = Annotated[float, Within(0, 1)]
Inside = Annotated[float, Within(0, 1, above=True, below=True)]
Half = Annotated[float, Within(0, 0.5, above=True)]
Seed = Annotated[int, Within(0, 2**63 - 1), Said("a whole number in 0..2**63-1")]
Decay = Annotated[float, Within(0, 1, below=True)]  # weight of the past in an average
Rate = Annotated[float, Within(0, 1e30, above=True)]  # larger ones overflow float32 at once
WeightDecay = Annotated[float, Within(0, 1e30)]
Width = Annotated[int, Within(1, 2**16)]  # of a layer
Depth = Annotated[int, Within(1, 10_000)]  # layers
Pixels = Annotated[int, Within(0, 2**16)]
Size = Annotated[int, Within(0)]
Count = Annotated[int, Within(1)]
BatchSize = Annotated[int, Within(1, 2**20)]  # every batch is padded to it
Bounds = Annotated[tuple[float, float], Ascending()]
Radii = Annotated[Sequence[Number], Said("a list of radii")]


def number(value: object, name: str = "eps") -> float:
    """Return `value` as a finite float; text may be a decimal or a quotient such as `"8/255"`.

    Raises InputError if `value` is not a number or not finite.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, str | float | int | Fraction):
            raise TypeError
        result = _parse(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise InputError(f"{name} must be a number such as 0.3 or '8/255', got {value!r}") from None
    if not math.isfinite(result):
        raise InputError(f"{name} must be finite, got {value!r}")
    return result


def _parse(text: str) -> float:
    """Divide in floating point, as the literature's `8/255` does, rather than round a rational."""
    if "/" not in text:
        return float(text)
    above, below = text.split("/")
    return float(above) / float(below)
