"""The registered sets with the capabilities that an attack or a method needs, by class name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch

from holdfast.components import known
from holdfast.errors import HoldfastError, in_words
from holdfast.threat import Capability, Region, Space, Trait

_FIRST = ("linf", "l2", "l1", "l0")  # as the field lists them; the others follow by name
_EVERY = "every set"
_EVERY_BUT = 2  # sets at most that are named as the exceptions


def fits(region: Region, needs: Iterable[Capability]) -> bool:
    """Return True if a region has all of these capabilities."""
    return all(
        need in region.traits if isinstance(need, Trait) else isinstance(region, need)
        for need in needs
    )


def sets_with(needs: Iterable[Capability]) -> tuple[str, ...]:
    """Return the class names of the registered sets whose regions have all capabilities."""
    names = [*_FIRST, *(name for name in known("space") if name not in _FIRST)]
    samples = ((cls, _sample(cls)) for name, cls in _of(names))
    wanted = tuple(needs)
    return tuple(
        cls.__name__ for cls, region in samples if region is not None and fits(region, wanted)
    )


def works_in(label: str, needs: tuple[Capability, ...], space: Space) -> str:
    """Return in which sets something works, and that the user's is none of them."""
    mine, said = type(space).__name__, in_sets(needs)
    if said.startswith(_EVERY) and mine in sets_with(()):
        return f"{label} works in {said}"
    return f"{label} works in {in_words(sets_with(needs)) or 'no registered set'}, not in {mine}"


def in_sets(needs: Iterable[Capability]) -> str:
    """Return in which sets something works: by name, or all but a few."""
    wanted = tuple(needs)
    there = sets_with(wanted)
    others = [name for name in sets_with(()) if name not in there]
    if len(others) <= _EVERY_BUT:
        return f"{_EVERY} but {in_words(others)}" if others else _EVERY
    return in_words(there)


def _of(names: Iterable[str]) -> list[tuple[str, Any]]:
    shelf = known("space")
    return [(name, shelf[name]) for name in names if name in shelf]


@lru_cache
def _sample(cls: Any) -> Region | None:
    """Return the region of a small image; None for a set that more than eps is needed to make."""
    try:
        region: Region = cls(eps=1).around(torch.zeros(1, 3, 4, 4))
    except HoldfastError:
        return None
    return region
