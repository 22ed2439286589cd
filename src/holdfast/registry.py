"""Names for components: what is registered appears in config, command line, docs and tests."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from holdfast.arguments import guard
from holdfast.errors import ConfigError, did_you_mean
from holdfast.translation import alike, hint

T = TypeVar("T")

NAMED = ("attack", "loss", "method", "network", "space", "suite")  # often taken for each other

_components: dict[str, dict[str, Any]] = {}
_labels: dict[Any, tuple[str, str]] = {}


def register(kind: str, name: str | None = None) -> Callable[[T], T]:
    """Register a class or function under `kind`, as `name` or as its own name in snake case.

    What the fields of a dataclass may be is checked from then on whenever one is made.
    """

    def add(component: T) -> T:
        label = name or snake(getattr(component, "__name__", ""))
        shelf = _components.setdefault(kind, {})
        if label in shelf and shelf[label] is not component:
            raise AssertionError(f"two {kind}s are called {label!r}")
        if isinstance(component, type) and dataclasses.is_dataclass(component):
            guard(component)
        shelf[label] = component
        _labels[component] = (kind, label)
        return component

    return add


def lookup(kind: str, name: str) -> Any:
    """Return the component of `kind` called `name`; ConfigError names the nearest known one."""
    shelf = known(kind)
    if name not in shelf:
        raise ConfigError(f"unknown {kind} {name!r}{unknown(kind, name, shelf)}")
    return shelf[name]


def unknown(kind: str, name: str, names: Collection[str]) -> str:
    """Return the tail of an error about a name that is none of `names`, those of `kind`.

    It says what another library calls so, or of which other kind it is, or the nearest of `names`.
    """
    tail = ""
    if not any(alike(name, one) for one in names):
        labels = {getattr(item, "__name__", ""): label for label, item in known(kind).items()}
        tail = _of_another_kind(kind, name) or hint(kind, name, labels)
    return tail or did_you_mean(name, names, f"holdfast list {kind}")


def _of_another_kind(kind: str, name: str) -> str:
    """Return a tail that says which other kinds have something called `name`, in any version."""
    others = [
        f"{'an' if other[0] in 'aeiou' else 'a'} {other}"
        for other, shelf in sorted(_components.items())
        if other in NAMED and other != kind
        if any(re.fullmatch(rf"{re.escape(name.lower())}(-\d+)?", label) for label in shelf)
    ]
    return f"; {name!r} is {' and '.join(others)}" if others else ""


def known(kind: str) -> dict[str, Any]:
    """Return every registered component of `kind` by name, sorted."""
    return dict(sorted(_components.get(kind, {}).items()))


def kinds() -> list[str]:
    """Return the kinds that have at least one component."""
    return sorted(_components)


def kind_of(component: Any) -> str:
    """Return the kind under which a component class was registered."""
    return _label(component)[0]


def name_of(component: Any) -> str:
    """Return the name under which a component class was registered."""
    return _label(component)[1]


def _label(component: Any) -> tuple[str, str]:
    if component not in _labels:
        raise ConfigError(f"{component!r} is not a registered component: add @register(kind) to it")
    return _labels[component]


def snake(name: str) -> str:
    """Turn `ScaledCrossEntropy` into `scaled_cross_entropy` and leave `PGD`, `L2` as one word."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
