"""Reprs that say shapes and figures where contents would fill pages."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from holdfast.printable import printable, shortened

T = TypeVar("T", bound=type[Any])
MANY = 6  # entries of a list that are shown
LONG = 200  # characters of one value


def outlined(cls: T) -> T:
    """Give a dataclass or a named tuple a repr of one line: tensors by their shape."""
    type.__setattr__(cls, "__repr__", _repr)
    return cls


def outline(value: Any) -> str:
    """Return a value in short: a tensor by its shape, a long list by its length."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and hasattr(value, "dtype"):
        sides = ", ".join(map(str, shape))
        return f"<{str(value.dtype).removeprefix('torch.')} ({sides})>"
    if isinstance(value, tuple | list | set | frozenset | dict) and len(value) > MANY:
        return f"<{type(value).__name__} of {len(value):,}>"
    return shortened(printable(repr(value)), LONG)


def _repr(self: Any) -> str:
    names = (
        [field.name for field in dataclasses.fields(self) if field.repr]
        if dataclasses.is_dataclass(self)
        else self._fields
    )
    inside = ", ".join(f"{name}={outline(getattr(self, name))}" for name in names)
    return f"{type(self).__name__}({inside})"
