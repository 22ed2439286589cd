"""A component's fields as a reader needs them: type, range, default, meaning, read from its code.

The documentation and `holdfast list` both print them. A meaning is the comment that stands behind a
field in the source; a range comes from the component's own refusal of a value.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from holdfast.components import describe, known, name_of
from holdfast.errors import HoldfastError
from holdfast.fitting import is_component, options_of
from holdfast.units import Number

_COMMENT = re.compile(r"^\s*(?P<name>\w+)\s*:[^#]*#\s*(?P<text>.+?)\s*$")
_REFUSAL = re.compile(r"must be (?:a whole number of )?((?:at |above|in |between).*?)(?:, got|;|$)")
_PROBES = (0, -1, 10**9)  # values that many fields refuse
_WRITTEN = {"eps": 1, "name": "own", "path": "a-folder", "digest": 64 * "0", "members": ()}
_EPS = {"linf": "8/255", "l2": 0.5}  # as the literature has them
_NUMBER = set(typing.get_args(Number))

# Fields of the same name and meaning in many components, which bear no comment.
MEANINGS = {
    "attack": "the attack that it runs",
    "augment": "changes of training inputs at random",
    "batch_size": "examples that are computed with at once",
    "beta1": "weight of the past in the mean of the gradient",
    "beta2": "weight of the past in the mean of its square",
    "epochs": "passes over the training set",
    "eps": "how far an input may change, in the units of the data",
    "goal": "the attacker's goal",
    "height": "share of the image's side",
    "images": "the images mixed in",
    "knowledge": "the attacker's knowledge",
    "label_smoothing": "share of each label that goes to all classes",
    "loss": "the loss that it raises",
    "momentum": "weight of the past in the direction",
    "optimizer": "how the weights move",
    "queries": "forward passes per example, at most",
    "range": "(low, high) of valid inputs",
    "restarts": "runs from different starts",
    "schedule": "how the learning rate moves over the run",
    "seed": "of every draw",
    "space": "the set of allowed changes",
    "start": "where the search begins",
    "steps": "steps of the search",
    "width": "share of the image's side",
}


class FieldText(NamedTuple):
    """The documentation of one field; default: None where it must be given."""

    name: str
    type: str
    default: str | None
    meaning: str
    range: str = ""


def summary(cls: Any) -> str:
    """Return the first paragraph of a docstring on one line."""
    return paragraphs(cls)[0]


def paragraphs(cls: Any) -> list[str]:
    """Return the paragraphs of a docstring, each on one line; one of no words if there is none."""
    text = inspect.getdoc(cls) or ""
    return [" ".join(part.split()) for part in text.split("\n\n")]


@lru_cache
def fields(cls: Any) -> tuple[FieldText, ...]:
    """Return the documentation of each field of a component's class."""
    if not dataclasses.is_dataclass(cls):
        return ()
    hints, meanings = typing.get_type_hints(cls, include_extras=True), comments(cls)
    return tuple(
        FieldText(
            field.name,
            type_text(hints[field.name]),
            None if required(field) else short(default(field)),
            meanings.get(field.name) or MEANINGS.get(field.name, ""),
            _range(cls, field.name, hints[field.name]),
        )
        for field in dataclasses.fields(cls)
    )


def type_text(hint: Any) -> str:
    """Return an annotation in words, without its bounds and its unit."""
    options = [option.type for option in options_of(hint)]
    words = [_name(option) for option in options if option not in _NUMBER]
    if set(options) >= _NUMBER:
        words.insert(0, "number or text such as '8/255'")
    else:
        words = [_name(option) for option in options]
    return " or ".join(dict.fromkeys(words))


def comments(cls: Any) -> dict[str, str]:
    """Return the comment that stands behind each field in the source, also in base classes."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found.update(_comments(base))
    return found


def example(cls: Any) -> Any:
    """Build a component with its defaults and, where one must be given, with a usual value."""
    needed = [field for field in dataclasses.fields(cls) if required(field)]
    if not needed:
        return cls()
    return cls(**{field.name: usual(cls, field.name) for field in needed})


def usual(cls: Any, name: str) -> Any:
    """Return a value that a field which must be given usually has, or may have."""
    if name in _WRITTEN:
        return _EPS.get(name_of(cls), 1) if name == "eps" else _WRITTEN[name]
    hint = typing.get_type_hints(cls, include_extras=True)[name]
    kinds = [option.type for option in options_of(hint)]
    for kind in kinds:
        if is_component(kind):
            return _first(kind)
    return 0.1 if float in kinds else 1


def required(field: dataclasses.Field[Any]) -> bool:
    """Return True for a field that has no default."""
    return field.default is field.default_factory is dataclasses.MISSING


def default(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a field."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def short(value: Any, *, budgets: bool = False) -> str:
    """Write a value as Python would: a component by its class and its fields not at their defaults.

    budgets: write numbers and attacks also where they are the default.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = ", ".join(
            f"{field.name}={short(item, budgets=budgets)}"
            for field in dataclasses.fields(value)
            if not _is_default(item := getattr(value, field.name), field)
            or (budgets and (isinstance(item, int | float) or _kind(item) == "attack"))
        )
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value):
        items = [short(item, budgets=budgets) for item in value]
        return f"({', '.join(items)}{',' * (len(items) == 1)})"
    return repr(describe(value))


def _comments(cls: Any) -> dict[str, str]:
    try:
        lines = inspect.getsource(cls).splitlines()
    except (OSError, TypeError):  # made where no file is, in a console
        return {}
    return {hit["name"]: hit["text"] for line in lines if (hit := _COMMENT.match(line))}


def _name(kind: Any) -> str:
    if kind is types.NoneType:
        return "None"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"one of {', '.join(str(member.value) for member in kind)}"
    origin, args = typing.get_origin(kind), [a for a in typing.get_args(kind) if a is not ...]
    if origin is None:
        return getattr(kind, "__name__", str(kind))
    inner = ", ".join(dict.fromkeys(map(type_text, args)))
    if origin is tuple and len(args) == 2 and ... not in typing.get_args(kind):
        return f"pair of {inner}"
    return f"list of {inner}" if origin in (tuple, list) else f"{_name(origin)} of {inner}"


def _range(cls: Any, name: str, hint: Any) -> str:
    """Return between which bounds a number must lie, as the component says it; "" if anywhere."""
    options = options_of(hint)
    if (bounds := next((option.within for option in options if option.within), None)) is not None:
        return str(bounds)
    if not {option.type for option in options} & {int, float}:
        return ""
    try:
        made = example(cls)
    except (HoldfastError, TypeError):
        return ""
    for value in _PROBES:
        try:
            dataclasses.replace(made, **{name: value})
        except HoldfastError as error:
            found = _REFUSAL.search(str(error))
            if found and name in str(error):
                return found[1].removesuffix(" or None")
        except (TypeError, ValueError):
            return ""
    return ""


def _first(kind: Any) -> Any:
    """Return a component that needs nothing to be made; the plainest, of those that are known."""
    shelf = known(kind.kind)
    for label in ("pgd", "linf", *shelf):
        cls = shelf.get(label)
        if isinstance(cls, type) and dataclasses.is_dataclass(cls):
            needed = {field.name for field in dataclasses.fields(cls) if required(field)}
            if needed <= {"eps"}:
                return example(cls)
    raise TypeError(f"no {kind.kind} can be made without fields")


def _is_default(item: Any, field: dataclasses.Field[Any]) -> bool:
    return not required(field) and bool(item == default(field))


def _kind(value: Any) -> Any:
    return getattr(value, "kind", None)
