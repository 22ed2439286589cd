"""One check of values against annotations, for fields of components and arguments of verbs alike.

The allowed values of a field stand in its annotation and nowhere else. Numbers come in many classes
(NumPy's scalars, tensors without dimensions, fractions); the stored value is plain Python, so that
digests and files stay plain. NaN and infinity are no numbers here.
"""

from __future__ import annotations

import collections.abc
import math
import numbers
import os
import types
import typing
from collections.abc import Mapping
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from holdfast.errors import ConfigError, did_you_mean
from holdfast.printable import shortened
from holdfast.units import Ascending, Said, Unit, Within, number

MOST = 2**63  # whole numbers are below, as a tensor's are
LARGEST = 3.4e38  # of float32
_NO = object()  # a value that does not fit
_LISTS = (tuple, list, collections.abc.Sequence, collections.abc.Iterable)


class Option(NamedTuple):
    """One of the types that an annotation allows, with the bounds and the words that go with it."""

    type: Any
    within: Within | Ascending | None = None
    unit: Unit | None = None
    said: str | None = None

    def allows(self, value: Any) -> bool:
        """Return True for a number that needs no further look: of this class and in reach."""
        number = type(value) is self.type and -MOST < value < MOST
        return number and (self.within is None or self.within.holds(value))


def fit(value: Any, hint: Any, where: str, error: type[Exception] = ConfigError) -> Any:
    """Return `value` as the annotation `hint` wants it, or raise `error`, which names `where`."""
    options = options_of(hint)
    for option in options:
        if option.type is Any or (value is None and option.type is types.NoneType):
            return value
    if {option.type for option in options} >= {str, float, int}:
        return _as_written(value, where)
    value = _plain(value, options)
    if isinstance(value, str) and not value and any(option.type is Path for option in options):
        raise error(f"{where} must name a file or a folder, got ''")
    if any(type(value) is option.type and option.within is None for option in options):
        return _checked(value, where, error)
    for option in options:
        fitted = _try(value, option, where, error)
        if fitted is not _NO:
            endless = isinstance(option.within, Within) and option.within.endless
            fitted = _checked(fitted, where, error, endless=endless)
            if option.within is not None and not option.within.holds(fitted):
                none = " or None" if Option(types.NoneType) in options else ""
                wish = option.within.refusal(fitted) + none
                raise error(f"{where} must be {wish}, got {shown(value)}")
            return fitted
    raise error(_refusal(value, options, where))


@lru_cache(maxsize=1024)
def options_of(hint: Any) -> tuple[Option, ...]:
    """Return the types that an annotation allows, those of a union one by one."""
    if typing.get_origin(hint) is Annotated:
        base, *notes = typing.get_args(hint)
        return tuple(_noted(option, notes) for option in options_of(base))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(option for part in typing.get_args(hint) for option in options_of(part))
    return (Option(hint),)


def _noted(option: Option, notes: list[Any]) -> Option:
    for note in notes:
        if isinstance(note, Within | Ascending):
            option = option._replace(within=note)
        elif isinstance(note, Unit):
            option = option._replace(unit=note)
        elif isinstance(note, Said):
            option = option._replace(said=note.words)
    return option


def is_component(option: Any) -> bool:
    """Return True for the base class of components, or for one of them."""
    return isinstance(option, type) and isinstance(getattr(option, "kind", None), str)


def shown(value: Any) -> str:
    """Return a value in one short line, for an error message."""
    shape = getattr(value, "shape", None)
    try:
        if isinstance(shape, tuple) and not isinstance(value, type):
            return f"a {type(value).__name__} of shape {tuple(shape)}"
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001  a user's __repr__ may raise anything
        text = f"a {type(value).__name__}"
    return shortened(text)


def _plain(value: Any, options: tuple[Option, ...]) -> Any:
    """Return NumPy's scalars and tensors without dimensions as Python numbers."""
    if any(_is(value, option.type) for option in options):
        return value
    take = getattr(value, "item", None)
    if callable(take) and not isinstance(value, type) and getattr(value, "ndim", None) == 0:
        try:
            return take()
        except (TypeError, ValueError, RuntimeError):
            return value
    return value


def _checked(value: Any, where: str, error: type[Exception], *, endless: bool = False) -> Any:
    """Refuse the numbers and texts that nothing can be done with."""
    if type(value) is float and not (endless and value == math.inf):
        if not math.isfinite(value):
            raise error(f"{where} must be finite, got {value}")
        if abs(value) > LARGEST:
            raise error(f"{where} must be a number that float32 can hold, got {value}")
    elif type(value) is int and not -MOST <= value < MOST:
        raise error(f"{where} must be a whole number below 2**63, got {shown(value)}")
    elif type(value) is str and "\0" in value:
        raise error(f"{where} must be text without a zero byte, got {shown(value)}")
    return value


def _as_written(value: Any, where: str) -> Any:
    """Return a number such as eps as it was written, "8/255" included."""
    value = _plain(value, ())
    number(value, where)
    if type(value) in (str, float, int):
        return value
    return str(value) if isinstance(value, str | Fraction) else float(value)


def _try(value: Any, option: Option, where: str, error: type[Exception]) -> Any:
    """Return the value as one of the allowed types wants it, or _NO."""
    origin = typing.get_origin(option.type) or option.type
    if origin in (int, float, str, bool):
        return _scalar(value, option.type, where, error)
    if origin in _LISTS:
        return _list(value, option.type, where, error)
    if origin in (dict, Mapping):
        return _mapping(value, option.type, where, error)
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _member(value, origin, where, error)
    return _object(value, origin)


def _object(value: Any, kind: Any) -> Any:
    if kind is collections.abc.Callable:
        return value if callable(value) else _NO
    if kind is Path:
        return Path(value) if isinstance(value, str | os.PathLike) else _NO
    if is_component(kind) and isinstance(value, str | dict) and not _slip(value, kind):
        from holdfast.components import build  # its components check their fields here

        return build(kind.kind, value)
    return value if _is(value, kind) else _NO


def _is(value: Any, kind: Any) -> bool:
    if not isinstance(kind, type):
        return kind is not None and not isinstance(kind, types.GenericAlias)
    if getattr(kind, "_is_protocol", False) and not getattr(kind, "_is_runtime_protocol", False):
        return not isinstance(value, type) and all(hasattr(value, name) for name in _wanted(kind))
    try:
        return isinstance(value, kind)
    except TypeError:  # a generic alias
        return True


@lru_cache
def _wanted(protocol: type) -> tuple[str, ...]:
    """Return the public names that a protocol asks for."""
    parts = [vars(part) for part in protocol.__mro__ if getattr(part, "_is_protocol", False)]
    names = {name for part in parts for name in (*part, *part.get("__annotations__", ()))}
    return tuple(sorted(name for name in names if not name.startswith("_")))


def _scalar(value: Any, kind: Any, where: str, error: type[Exception]) -> Any:
    fitted: Any = _NO
    if kind is bool:
        return value if isinstance(value, bool) else _NO
    if kind is str:
        fitted = str(value) if isinstance(value, str) else _NO
    elif isinstance(value, bool):
        return _NO
    elif kind is int:
        fitted = int(value) if isinstance(value, numbers.Integral) else _NO
    elif isinstance(value, numbers.Real):
        try:
            fitted = float(value)
        except OverflowError:
            raise error(f"{where} must be finite, got {shown(value)}") from None
    return fitted


def _list(value: Any, kind: Any, where: str, error: type[Exception]) -> Any:
    """Return a tuple for lists, tuples and arrays of one dimension; other iterables as they are."""
    origin, args = typing.get_origin(kind) or kind, typing.get_args(kind)
    if getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str | bytes | Mapping | type):
        return _NO
    if origin is collections.abc.Iterable and not isinstance(value, list | tuple):
        return value if isinstance(value, collections.abc.Iterable) else _NO
    if getattr(value, "ndim", None) is not None or not (
        hasattr(value, "__len__") and hasattr(value, "__getitem__")
    ):
        return _NO
    items = tuple(value)
    if origin is tuple and args and args[-1] is not Ellipsis:
        if len(args) != len(items):
            raise error(f"{where} must have {len(args)} entries, got {shown(value)}")
        return tuple(fit(i, arg, where, error) for i, arg in zip(items, args, strict=True))
    found = tuple(fit(item, args[0], where, error) for item in items) if args else items
    return list(found) if origin is list else found


def _mapping(value: Any, kind: Any, where: str, error: type[Exception]) -> Any:
    if not isinstance(value, Mapping):
        return _NO
    key, item = typing.get_args(kind) or (Any, Any)
    return {
        fit(k, key, f"a key of {where}", error): fit(v, item, f"{where}[{shown(k)}]", error)
        for k, v in value.items()
    }


def _member(value: Any, option: type[Enum], where: str, error: type[Exception]) -> Any:
    if isinstance(value, option):
        return value
    values = [str(member.value) for member in option]
    if not isinstance(value, str):
        return _NO
    if value not in values:
        raise error(f"unknown {where} {value!r}{did_you_mean(value, values)}")
    return option(value)


def _refusal(value: Any, options: tuple[Option, ...], where: str) -> str:
    """Return the one line about a value that fits nothing: name, wish, value, and the fix."""
    units = [option.unit for option in options if option.unit is not None]
    if units and isinstance(value, str):
        return units[0].refusal(where, value)
    named = [option.type for option in options if is_component(option.type)]
    wanted = [_words(option) for option in options if not (named and option.type is str)]
    fix = next((tip for option in options if (tip := _fix(value, option))), "")
    return f"{where} must be {' or '.join(dict.fromkeys(wanted))}, got {shown(value)}{fix}"


def _words(option: Option) -> str:
    kind = option.type
    if option.said:
        return option.said
    if kind is types.NoneType:
        return "None"
    origin = typing.get_origin(kind) or kind
    if origin in _LISTS:
        return "a list"
    if origin in (dict, Mapping):
        return "a mapping"
    if origin is collections.abc.Callable:
        return "a function"
    name = getattr(kind, "__name__", str(kind))
    article = "an" if name[:1] in "AEIOU" else "a"
    if is_component(kind):
        return f"{article} {name} or its name" if kind.__subclasses__() else f"{article} {name}"
    return f"{article} {name}" if name[:1].isupper() else name


def _fix(value: Any, option: Option) -> str:
    """Return how to write the intended value, where that can be guessed."""
    kind, origin = option.type, typing.get_origin(option.type) or option.type
    if origin in _LISTS and isinstance(value, str | float | int) and not isinstance(value, bool):
        return f": write [{value!r}]"
    if getattr(kind, "__name__", "") == "Tensor" and hasattr(value, "__len__"):
        return ": use torch.as_tensor"
    if not is_component(kind):
        return ""
    if isinstance(value, type) and issubclass(value, kind):
        from holdfast.components import name_of

        return f": write {value.__name__}(), or {name_of(value)!r}"
    tip = _slip(value, kind)
    return f": {tip}" if tip else ""


def _slip(value: Any, kind: Any) -> str | None:
    """Ask a kind of components for the fix of a common mistake."""
    ask = getattr(kind, "slip", None)
    tip: str | None = ask(value) if callable(ask) else None
    return tip
