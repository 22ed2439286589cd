"""Counts with the uncertainty that a finite test set leaves: Wilson intervals at 95 %."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.arguments import checked
from holdfast.errors import InputError

Z95 = 1.959963984540054  # the 97.5 % point of the standard normal: two-sided 95 %


@dataclass(frozen=True)
class Interval:
    """A two-sided 95 % interval, as fractions in 0..1."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"


@checked
def wilson(k: int, n: int) -> Interval:
    """Return the Wilson score interval (1927) of k successes in n trials; InputError if n < 1."""
    if n < 1 or not 0 <= k <= n:
        raise InputError(f"an interval needs 0 <= k <= n and n >= 1, got k={k}, n={n}")
    share = k / n
    spread = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    middle = share + Z95**2 / (2 * n)
    scale = 1 + Z95**2 / n
    # At the ends the bound is exactly 0 or 1; rounding must not push it past.
    low = 0.0 if k == 0 else (middle - spread) / scale
    high = 1.0 if k == n else (middle + spread) / scale
    return Interval(low, high)


@dataclass(frozen=True)
class Accuracy:
    """k of n points, with its Wilson interval; `float()` gives the fraction in 0..1."""

    k: int
    n: int

    def __post_init__(self) -> None:
        wilson(self.k, self.n)  # refuses impossible counts

    @property
    def value(self) -> float:
        """The fraction k / n, in 0..1."""
        return self.k / self.n

    @property
    def interval(self) -> Interval:
        """The two-sided 95 % Wilson interval."""
        return wilson(self.k, self.n)

    @property
    def low(self) -> float:
        """Lower end of the interval, in 0..1."""
        return self.interval.low

    @property
    def high(self) -> float:
        """Upper end of the interval, in 0..1."""
        return self.interval.high

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % {self.interval}"

    def plain(self) -> dict[str, Any]:
        """Return the JSON form: k, n, value, low, high."""
        low, high = self.interval.low, self.interval.high
        return {"k": self.k, "n": self.n, "value": self.value, "low": low, "high": high}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Accuracy:
        """Read the JSON form; only k and n count, the rest follows from them."""
        return cls(int(plain["k"]), int(plain["n"]))


@dataclass(frozen=True)
class Withheld:
    """Stands where a robust accuracy would be when too much went wrong to print one."""

    reason: str

    def __str__(self) -> str:
        return f"withheld: {self.reason}"

    def __float__(self) -> float:
        raise InputError(
            f"there is no number to use: robust accuracy is {self}; claim.at_most is its upper "
            "bound"
        )

    def plain(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"withheld": self.reason}
