"""One small instance of every registered component, for tests that run over all of them."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

import holdfast
from holdfast.attacks import (
    PGD,
    Attack,
    NoiseImages,
    ResizePad,
    ScaleCopies,
    TranslationKernel,
)
from holdfast.components import kinds, known
from holdfast.spaces import L0, L1, L2, Linf, PixelL0

# What components need in order to be built at all, by the name of the field.
REQUIRED: dict[str, Callable[[], Any]] = {
    "attack": PGD,
    "digest": lambda: 64 * "0",
    "eps": lambda: 1,
    "first": lambda: 0.3,
    "images": NoiseImages,
    "index": lambda: 1,
    "path": lambda: "a-folder",
    "members": tuple,
    "name": lambda: "a-name",
    "rank": lambda: 1,
    "space": lambda: Linf(eps="8/255"),
}

# What an attack may spend in a test: one that looks for the nearest counterexample takes longer.
STEPS, STEPS_TO_THE_NEAREST, QUERIES = 6, 20, 40
# Other whole numbers: those that the cost grows with, and the rest (odd, since a kernel must be).
FACTOR, FACTOR_TO_THE_NEAREST, NUMBER = 3, 8, 9
STRIDE = {"step_size": 0.25, "learning_rate": 0.1}  # of fewer steps, each is longer, up to here

SPACES = {
    "linf": Linf(eps=0.1),
    "l2": L2(eps=0.4),
    "l1": L1(eps=1.2),
    "l0": L0(eps=4),
    "pixel_l0": PixelL0(eps=3),
}
# Sets in which every target can be reached.
WIDE = {"linf": 0.6, "l2": 3.0, "l1": 12.0, "l0": 24, "pixel_l0": 14}


# Sets with tests of their own: tests/spaces/test_moves.py and those named after them.
OWN = {"common_corruptions", "flow", "masked", "patch", "recolor", "rotation_translation"}


def load_all() -> None:
    """Import every module of the library, so that every component is registered."""
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def example(cls: type) -> Any:
    """Build a component with its defaults."""
    fields = dataclasses.fields(cls)
    needed = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    return cls(**{name: REQUIRED[name]() for name in needed})


def small(attack: Any) -> Any:
    """Return an attack, and the attacks inside it, at a budget that a test can pay."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(attack):
        value = getattr(attack, field.name)
        if isinstance(value, Attack):
            changes[field.name] = small(value)
        elif type(value) is int:
            changes.update(_capped(attack, field.name, value))
    return dataclasses.replace(attack, **changes)


def _capped(attack: Any, name: str, value: int) -> dict[str, Any]:
    """Return one whole number of an attack as a test has it, and the steps as long as that asks."""
    nearest = attack.demands().nearest
    if name == "queries":
        return {name: min(value, QUERIES)}
    if name != "steps":
        grown = dataclasses.replace(attack, **{name: value + 2}).passes() > attack.passes()
        factor = FACTOR_TO_THE_NEAREST if nearest else FACTOR
        return {name: min(value, factor if grown else NUMBER)}
    steps = min(value, STEPS_TO_THE_NEAREST if nearest else STEPS)
    longer = {
        field: max(size, min(most, size * value / steps))
        for field, most in STRIDE.items()
        if (size := getattr(attack, field, None)) is not None
    }
    return {name: steps, **longer}


def every_component() -> list[Any]:
    """Return (kind, component) of everything registered that is a component."""
    load_all()
    return [
        pytest.param(kind, example(cls), id=f"{kind}-{name}")
        for kind in kinds()
        for name, cls in known(kind).items()
        if isinstance(cls, type) and dataclasses.is_dataclass(cls)
    ]


def small_attacks() -> list[Any]:
    """Return a small instance of every registered attack, and one more of what is made of views."""
    load_all()
    found = {name: small(example(cls)) for name, cls in known("attack").items()}
    views = (ResizePad(), ScaleCopies(copies=2), TranslationKernel(kernel=3))
    found["diverse-views"] = dataclasses.replace(found["diverse"], views=views)
    return [pytest.param(attack, id=name) for name, attack in found.items()]
