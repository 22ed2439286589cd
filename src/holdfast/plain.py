"""Components as plain data and back: the component is its own configuration.

`PGD(steps=40)` in Python and `{"type": "pgd", "steps": 40}` in a file are the same thing. The plain
form is what goes into claims and checkpoints, what is hashed, and what is read without running
code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from enum import Enum
from typing import Any

from holdfast.errors import ConfigError, did_you_mean
from holdfast.registry import kind_of, known, lookup, name_of


def describe(value: Any) -> Any:
    """Return `value` as JSON data; a registered component becomes {"type": name, field: ...}.

    What is equal in Python is written alike: 1.0 as 1.
    """
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value)}
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
    fields = dict(data)
    if "type" not in fields:
        raise ConfigError(f"{kind} needs a 'type': one of {', '.join(known(kind))}")
    cls = lookup(kind, str(fields.pop("type")))
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]
    for key in fields:
        if key not in names:
            raise ConfigError(f"unknown key {key!r} in {name_of(cls)}{did_you_mean(key, names)}")
    values = {
        key: _fit(value, hints[key], f"{name_of(cls)}.{key}") for key, value in fields.items()
    }
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{name_of(cls)}: {error}") from None


def _component(kind: str, value: Any) -> Any:
    if dataclasses.is_dataclass(value) and kind_of(type(value)) == kind:
        return value
    raise ConfigError(f"{kind} must be a name, a mapping or a component, got {value!r}")


def _fit(value: Any, hint: Any, where: str) -> Any:
    """Return `value` as the annotation `hint` wants it, or raise ConfigError."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    if value is None and type(None) in options:
        return None
    if type(value) in options:  # before a float annotation turns an int into a float
        return value
    for option in options:
        fitted, ok = _try(value, option, where)
        if ok:
            return fitted
    wanted = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise ConfigError(f"{where} must be {wanted}, got {value!r}")


def _try(value: Any, option: Any, where: str) -> tuple[Any, bool]:
    origin = typing.get_origin(option)
    if origin is tuple and isinstance(value, list | tuple):
        return _fit_tuple(value, typing.get_args(option), where), True
    if isinstance(option, type) and issubclass(option, Enum):
        return _fit_enum(value, option, where)
    if option in (int, float, str, bool):
        return _fit_scalar(value, option)
    if origin is dict or option is dict:
        return value, isinstance(value, dict)
    kind = _kind_behind(option)
    if kind is not None and isinstance(value, str | dict):
        return build(kind, value), True
    return value, isinstance(option, type) and isinstance(value, option)


def _fit_scalar(value: Any, option: type) -> tuple[Any, bool]:
    if option is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value), True
    return value, isinstance(value, option) and (option is bool or not isinstance(value, bool))


def _fit_tuple(value: Any, args: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_fit(item, args[0], where) for item in value)
    if args and len(args) != len(value):
        raise ConfigError(f"{where} must have {len(args)} entries, got {value!r}")
    return tuple(_fit(item, arg, where) for item, arg in zip(value, args, strict=True))


def _fit_enum(value: Any, option: type[Enum], where: str) -> tuple[Any, bool]:
    if isinstance(value, option):
        return value, True
    values = [str(member.value) for member in option]
    if value not in values:
        raise ConfigError(f"unknown {where} {value!r}{did_you_mean(str(value), values)}")
    return option(value), True


def _kind_behind(option: Any) -> str | None:
    """Return the kind of the components that an annotation asks for, by itself or by a subclass."""
    if not isinstance(option, type):
        return None
    declared: str | None = getattr(option, "kind", None)
    return declared


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)
