"""Conversion of users' data in every form that is understood."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from holdfast.arguments import checked
from holdfast.data.examples import Examples, from_tensors
from holdfast.data.fields import Fields
from holdfast.data.load import load
from holdfast.data.loaders import from_loader
from holdfast.data.splits import Splits, split
from holdfast.data.stream import Stream
from holdfast.data.torch_data import from_dataset
from holdfast.errors import InputError
from holdfast.inputs import UNIT, to_tensor
from holdfast.units import Bounds, Count

PARTS = ("train", "validation", "test")

Parts = Splits | tuple[Examples | Stream, Examples]  # (train, validation)

logger = logging.getLogger(__name__)


@checked
def as_examples(
    data: Any,
    *,
    part: str = "test",
    num_classes: Count | None = None,
    range: Bounds = UNIT,
    x: str | int | None = None,
    y: str | int | None = None,
) -> Examples:
    """Return `data` as a set of examples.

    data: Examples, a pair of tensors or arrays (x, y), a torch Dataset or DataLoader, the name or
    path of a set, Splits, a dictionary of parts, or an iterable of batches or of examples (which is
    read into memory, and it says so). part: which part of a name or of Splits is meant ("train",
    "validation", "test"); a name may say it itself, as in "digits:train". num_classes and range
    describe data that does not say so itself. x, y: the fields of an item or batch that are the
    input and the label, names or places in a tuple; by default a tuple is (x, y), and of named
    fields those count that have one of the usual names.
    Raises InputError for anything else.
    """
    found = as_training_data(data, part=part, num_classes=num_classes, range=range, x=x, y=y)
    if isinstance(found, Examples):
        return found
    examples = found.collect(num_classes)
    logger.warning("%s: read %d examples into memory", found.name, len(examples))
    return examples


@checked
def as_training_data(
    data: Any,
    *,
    part: str = "train",
    num_classes: Count | None = None,
    range: Bounds = UNIT,
    x: str | int | None = None,
    y: str | int | None = None,
) -> Examples | Stream:
    """Return `data` as `as_examples` does, but an iterable of batches as a Stream."""
    if isinstance(data, Examples | Stream):
        return data
    if isinstance(data, str | Path):
        data, part = _loaded(data, part)
    if isinstance(data, Splits):
        return _part(data, part)
    fields = Fields(x=x, y=y)
    if isinstance(data, Mapping):
        data = _of_mapping(data, part, fields)
    if isinstance(data, tuple | list) and len(data) == 2 and _is_array(data[0]):
        arrays = [to_tensor(value, name) for value, name in zip(data, "xy", strict=True)]
        return from_tensors(*arrays, num_classes=num_classes, range=range)
    if isinstance(data, DataLoader):
        return from_loader(data, num_classes=num_classes, range=range, fields=fields)
    if _is_array(data):
        raise InputError("data need labels, got an array alone: pass a pair (x, y)")
    if _is_dataset(data):
        return from_dataset(data, num_classes=num_classes, range=range, fields=fields)
    if isinstance(data, Iterable):
        return Stream(data, name=type(data).__name__, range=range, fields=fields)
    raise InputError(
        f"cannot read data from {type(data).__name__}: pass a pair (x, y), a torch Dataset or "
        "DataLoader, or the name or path of a set"
    )


def training_parts(data: Any, validation: Any, range: Bounds) -> Parts:
    """Return the training part and the one that chooses the checkpoint.

    data: both of them, or what `as_training_data` takes. validation: a fraction to hold out, where
    the data bring no validation part, or what `as_examples` takes.
    """
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], Examples):
        return as_training_data(data[0], range=range), data[1]
    fraction = validation if isinstance(validation, float) else None
    if isinstance(data, str | Path):
        data = load(data, fraction or 0.1)
    if isinstance(data, Splits) and fraction is not None:
        return data
    if isinstance(data, Mapping) and fraction is not None and {"train", "validation"} <= set(data):
        validation, fraction = data["validation"], None
    examples = as_training_data(data, range=range)
    if fraction is None:
        count = examples.num_classes if isinstance(examples, Examples) else None
        return examples, as_examples(validation, part="validation", num_classes=count, range=range)
    if isinstance(examples, Stream):
        raise InputError(
            f"{examples.name} can only be read in order, so no validation part can be held out of "
            "it: pass validation=examples"
        )
    return split(examples, fraction)


def _loaded(name: str | Path, part: str) -> tuple[Splits, str]:
    """Return the parts of a set and which is meant: the one that the name itself says, if any."""
    if isinstance(name, str):
        whole, _, said = name.rpartition(":")
        if whole and said in PARTS:
            return load(whole), said
    return load(name), part


def _part(splits: Splits, part: str) -> Examples:
    if part not in PARTS:
        raise InputError(f"part must be 'train', 'validation' or 'test', got {part!r}")
    examples: Examples = getattr(splits, part)
    return examples


def _of_mapping(data: Mapping[Any, Any], part: str, fields: Fields) -> Any:
    """Return the part of a dictionary of parts, or the arrays of a dictionary of fields."""
    if part in data and not _is_array(data[part]):
        return data[part]
    if any(map(_is_array, data.values())):
        return fields.of(data)
    raise InputError(
        f"{type(data).__name__} has {', '.join(map(repr, list(data)[:12])) or 'nothing'} and no "
        f"part {part!r}: pass one of its parts, as in data[{next(iter(data), 'test')!r}]"
    )


def _is_dataset(data: Any) -> bool:
    """Return True if `data` is read by index and has a length; lists are batches, not examples."""
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return indexed and not isinstance(data, list | tuple | Mapping | type)


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray)
