"""Components by name, and as plain data and back: a component is its own configuration.

`PGD(steps=40)` in Python and `{"type": "pgd", "steps": 40}` in a file are the same thing. The plain
form goes into claims and checkpoints, is hashed, and is read without running code. Registered
components appear in the configuration, the command line, the docs and the tests.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any, TypeVar

from holdfast.arguments import guard
from holdfast.errors import ConfigError, did_you_mean
from holdfast.fitting import shown
from holdfast.plugins import load_plugins
from holdfast.translation import alike, hint

T = TypeVar("T")

NAMED = ("attack", "loss", "method", "network", "space", "suite")  # often taken for each other
ADDED = {"added": True}  # metadata of a field that came later: at its default it is not written

_components: dict[str, dict[str, Any]] = {}
_labels: dict[Any, tuple[str, str]] = {}


def register(kind: str, name: str | None = None) -> Callable[[T], T]:
    """Register a component class under `kind`, as `name` or as its own name in snake case.

    A suite, which is no class, is registered under the name that it has.

    The fields of a dataclass are checked from then on whenever one is made. Raises
    ConfigError for what is no component of that kind and for a name that another one has; a class
    that is written again, as in a notebook, takes the place of the first.
    """

    def add(component: T) -> T:
        _check_component(kind, component)
        label = _label_of(component, name)
        shelf = _components.setdefault(kind, {})
        if label in shelf and not _is_again(component, shelf[label]):
            raise ConfigError(
                f"the {kind} {label!r} is {_address(shelf[label])}: give yours another name"
            )
        if isinstance(component, type):
            guard(component)
        shelf[label] = component
        _labels[component] = (kind, label)
        return component

    return add


def _label_of(component: Any, name: str | None) -> str:
    if isinstance(component, type):
        return name or snake(component.__name__)
    own = str(component.name)
    if name not in (None, own):
        raise ConfigError(f"it is called {own!r}: leave the name {name!r} out")
    return own


def _check_component(kind: str, component: Any) -> None:
    """Raise ConfigError for what is no frozen dataclass, or is of another kind."""
    cls = component if isinstance(component, type) else type(component)
    own = getattr(cls, "kind", None)
    if own is None:
        raise ConfigError(f"{cls.__name__} is no {kind}: it must inherit from {_base(kind)}")
    if own not in (kind, f"{kind}_definition"):
        raise ConfigError(f"{cls.__name__} is no {kind}: write register({own!r})")
    if not (dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise ConfigError(
            f"{cls.__name__} is no frozen dataclass: write @dataclass(frozen=True, kw_only=True) "
            "below @register"
        )


def _base(kind: str) -> str:
    """Return what every component of a kind inherits from, as far as one is known."""
    some: Any = next(iter(_components.get(kind, {}).values()), None)
    return some.__mro__[-2].__name__ if isinstance(some, type) else "the class of that kind"


def _is_again(component: Any, first: Any) -> bool:
    """Return True for the same component, or for a class of the same place in the same module."""
    both_classes = isinstance(component, type) and isinstance(first, type)
    return bool(component == first) or (both_classes and _address(component) == _address(first))


def _address(component: Any) -> str:
    if isinstance(component, type):
        return f"{component.__module__}.{component.__qualname__}"
    return "there already"


def lookup(kind: str, name: str) -> Any:
    """Return the component of `kind` called `name`; ConfigError names the nearest known one."""
    if name not in known(kind):
        load_plugins()
    shelf = known(kind)
    if name not in shelf:
        raise ConfigError(f"unknown {kind} {name!r}{unknown(kind, name, shelf)}")
    return shelf[name]


def unknown(kind: str, name: str, names: Collection[str]) -> str:
    """Return the tail of an error about a name that is none of `names`, those of `kind`.

    It names our equivalent of another library's name, or its other kind, or the nearest of `names`.
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


def describe(value: Any) -> Any:
    """Return `value` as JSON data; a registered component becomes {"type": name, field: ...}.

    Values equal in Python are written alike: 1.0 as 1. A field marked `ADDED` is left out at its
    default, so that digests made before it was there stay the same.
    """
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: describe(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if not (f.metadata.get("added") and getattr(value, f.name) == f.default)
        }
        return {"type": name_of(type(value)), **fields}
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [describe(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ConfigError(f"cannot write {value!r} as plain data: use numbers, text or components")


def canonical(value: Any) -> str:
    """Return the one JSON text that stands for `value`: sorted keys, no spaces."""
    return json.dumps(describe(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """Return the sha256 of the canonical JSON of a component or of plain data, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def build(kind: str, data: Any) -> Any:
    """Make the component of `kind` that `data` describes.

    data: a name (`"pgd"`), a mapping with `type`, or a component, which is returned as it is.
    Raises ConfigError for an unknown type or key (naming the nearest) and for a value that does
    not fit the field's annotation.
    """
    if isinstance(data, str):
        data = {"type": data}
    if not isinstance(data, dict):
        return _component(kind, data)
    fields = {str(key): value for key, value in data.items()}
    if "type" not in fields:
        names = did_you_mean("", known(kind), f"holdfast list {kind}")
        raise ConfigError(f"{kind} needs a 'type'{names}")
    return lookup(kind, str(fields.pop("type")))(**fields)


def _component(kind: str, value: Any) -> Any:
    if dataclasses.is_dataclass(value) and kind_of(type(value)) == kind:
        return value
    raise ConfigError(f"{kind} must be a name, a mapping or a component, got {shown(value)}")
