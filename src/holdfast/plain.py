"""Components as plain data and back: the component is its own configuration.

`PGD(steps=40)` in Python and `{"type": "pgd", "steps": 40}` in a file are the same thing. The plain
form is what goes into claims and checkpoints, what is hashed, and what is read without running
code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from enum import Enum
from typing import Any

from holdfast.errors import ConfigError, did_you_mean
from holdfast.fitting import shown
from holdfast.registry import kind_of, known, lookup, name_of

ADDED = {"added": True}  # metadata of a field that came later: at its default it is not written


def describe(value: Any) -> Any:
    """Return `value` as JSON data; a registered component becomes {"type": name, field: ...}.

    What is equal in Python is written alike: 1.0 as 1. A field marked `ADDED` is left out at its
    default, so that digests made before it was there stay what they were.
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
