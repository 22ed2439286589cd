"""Numbers as people write them: `8/255` stays readable and becomes a float in one place."""

from __future__ import annotations

import math
from fractions import Fraction

from holdfast.errors import InputError

Number = str | float | int


def number(value: object, what: str = "eps") -> float:
    """Return `value` as a finite float; text may be a decimal or a quotient such as `"8/255"`.

    Raises InputError if `value` is not a number or not finite.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, str | float | int | Fraction):
            raise TypeError
        result = _parse(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, ZeroDivisionError):
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
