"""Shapes of JSON values, checked before anything uses them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from holdfast.errors import VerificationError, did_you_mean
from holdfast.printable import shortened

INT64 = 2**63 - 1


class Shape(Protocol):
    """A set of JSON values."""

    def check(self, value: Any, at: str) -> None:
        """Raise VerificationError, naming the field `at`, unless the value is one of them."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A string of at most so many characters, matching a pattern as a whole if there is one."""

    longest: int = 1000
    pattern: str = ""
    called: str = "text"  # the name of the pattern in messages

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, str):
            raise wrong(at, self.called, value)
        if len(value) > self.longest:
            raise wrong(at, f"{self.called} of at most {self.longest:,} characters", value)
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise wrong(at, self.called, value)


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    options: tuple[str, ...]

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, str) or value not in self.options:
            raise wrong(at, f"one of {', '.join(self.options)}", value)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A whole number within bounds; neither true nor 1.0 is one."""

    low: int = 0
    high: int = INT64

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong(at, "a whole number", value)
        if not self.low <= value <= self.high:
            raise wrong(at, f"a whole number in {self.low:,}..{self.high:,}", value)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A finite number within bounds."""

    low: float = 0.0
    high: float = 1e15

    def check(self, value: Any, at: str) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Compared before isfinite, which cannot take a whole number beyond every float.
        if not number or not self.low <= value <= self.high or not math.isfinite(value):
            raise wrong(at, f"a number in {self.low:g}..{self.high:g}", value)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, bool):
            raise wrong(at, "true or false", value)


@dataclass(frozen=True)
class Maybe:
    """Null, or a value of a shape."""

    shape: Shape

    def check(self, value: Any, at: str) -> None:
        if value is not None:
            self.shape.check(value, at)


@dataclass(frozen=True)
class Listed:
    """A list of values of one shape."""

    item: Shape
    shortest: int = 0
    longest: int = 100_000

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, list):
            raise wrong(at, "a list", value)
        if not self.shortest <= len(value) <= self.longest:
            raise wrong(at, f"a list of {self.shortest:,}..{self.longest:,} entries", value)
        for i, item in enumerate(value):
            self.item.check(item, f"{at}[{i}]")


@dataclass(frozen=True)
class Fields:
    """An object with these fields, each of its shape; `optional` ones may be absent.

    rule: returns the fault of the whole object, "" if there is none.
    """

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)
    rule: Callable[[Mapping[str, Any]], str] | None = None
    others: bool = False  # fields that are not named here may be there

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, dict):
            raise wrong(at, "an object", value)
        if absent := self.required.keys() - value.keys():
            raise VerificationError(f"{_below(at, min(absent))} is missing")
        known = {**self.required, **self.optional}
        for key, item in value.items():
            if key in known:
                known[key].check(item, _below(at, key))
            elif not self.others:
                hint = did_you_mean(key[:60], known)
                raise VerificationError(f"{_below(at, key)} is no field of a claim{hint}")
        if self.rule is not None and (complaint := self.rule(value)):
            raise VerificationError(f"{at} {complaint}")


@dataclass(frozen=True)
class Named:
    """An object from names to values of one shape."""

    name: Text
    value: Shape
    longest: int = 100_000

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, dict) or len(value) > self.longest:
            raise wrong(at, f"an object of at most {self.longest:,} fields", value)
        for key, item in value.items():
            self.name.check(key, f"a name in {at}")
            self.value.check(item, _below(at, key))


@dataclass(frozen=True)
class Plain:
    """Any JSON value whose texts are short and whose numbers fit; lists and objects may nest."""

    text: Text = Text()
    deep: bool = True

    def check(self, value: Any, at: str) -> None:
        if value is None or isinstance(value, bool):
            return
        if isinstance(value, str):
            self.text.check(value, at)
        elif isinstance(value, int | float):
            Number(low=-INT64, high=INT64).check(value, at)
        elif not self.deep:
            raise wrong(at, "text or a number", value)
        elif isinstance(value, list):
            Listed(self).check(value, at)
        else:
            Named(self.text, self).check(value, at)


@dataclass(frozen=True)
class Either:
    """A value of the second shape if `first` accepts it, else of the other one."""

    asks: Callable[[Any], bool]
    then: Shape
    other: Shape

    def check(self, value: Any, at: str) -> None:
        (self.then if self.asks(value) else self.other).check(value, at)


def wrong(at: str, wanted: str, value: Any) -> VerificationError:
    """Return the error that names the shape of a field and the value found."""
    return VerificationError(f"{at} must be {wanted}, got {in_short(value)}")


def in_short(value: Any) -> str:
    """Return a value as an error message quotes it: containers by their kind, long texts cut."""
    if isinstance(value, dict):
        return f"an object of {len(value):,} fields"
    if isinstance(value, list):
        return f"a list of {len(value):,} entries"
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:57]!r}... ({len(value):,} characters)"
    return shortened(json.dumps(value))


def _below(at: str, key: str) -> str:
    return f"{at}.{shortened(key)}" if at else shortened(key)
