"""The cost of an attack, stated once: a formula over its fields that counts and prints itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from math import prod
from typing import Any

from holdfast.errors import did_you_mean

BOUND = "at most "  # before a term: a search may end sooner, a model may have fewer classes


class Passes:
    """Forward and backward passes per example, as sums of products such as "2 x steps + 3".

    A name is a field of the attack. One that holds an attack stands for its passes in the
    same direction; an attribute that is no field is printed as its value.
    """

    def __init__(self, forward: str, backward: str = "0") -> None:
        self.sides = (forward, backward)

    def count(self, attack: Any) -> tuple[int, int]:
        """Return the numbers (forward, backward) for the fields of an attack."""
        forward, backward = (
            sum(prod(_number(attack, name, side) for name in names) for _, names in _terms(text))
            for side, text in enumerate(self.sides)
        )
        return forward, backward

    def words(self, attack: Any) -> tuple[str, str]:
        """Return the formulas (forward, backward) in the fields of an attack."""
        forward, backward = (
            " + ".join(
                bound + product
                for bound, names in _terms(text)
                if (product := _product([_word(attack, name, side) for name in names])) != "0"
            )
            for side, text in enumerate(self.sides)
        )
        return forward or "0", backward or "0"

    def check(self, cls: type[Any]) -> None:
        """Raise TypeError for a name that is no attribute of the attack's class."""
        known = {
            name for base in cls.__mro__ for name in (*vars(base), *inspect.get_annotations(base))
        }
        for name in (name for text in self.sides for _, names in _terms(text) for name in names):
            if not name.isdigit() and name not in known:
                near = did_you_mean(name, [each for each in known if each[0] != "_"])
                raise TypeError(f"{cls.__name__}.spends: {name!r} is no field of it{near}")


def _terms(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each term of a formula: "at most " or nothing, and its factors."""
    for term in text.split(" + "):
        bound = BOUND if term.startswith(BOUND) else ""
        yield bound, term.removeprefix(bound).split(" x ")


def _number(attack: Any, name: str, side: int) -> int:
    if name.isdigit():
        return int(name)
    value = getattr(attack, name)
    return int(value.passes()[side]) if hasattr(value, "passes") else int(value)


def _word(attack: Any, name: str, side: int) -> str:
    if name.isdigit():
        return name
    value = getattr(attack, name)
    if hasattr(value, "formula"):
        return str(value.formula()[side])
    return name if name in {field.name for field in fields(attack)} else str(value)


def _product(factors: list[str]) -> str:
    """Return a product in words; a factor that is a sum stands in brackets."""
    if "0" in factors:
        return "0"
    factors = [factor for factor in factors if factor != "1"] or ["1"]
    alone = len(factors) == 1 and BOUND not in factors[0]
    return " x ".join(f if alone or " + " not in f else f"({f})" for f in factors)
