"""Take data in whatever form a user has it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from holdfast.arguments import checked
from holdfast.data.examples import UNIT, Examples, from_tensors
from holdfast.data.load import load
from holdfast.data.loaders import from_loader
from holdfast.data.splits import Splits
from holdfast.data.stream import Stream
from holdfast.data.torch_data import collate_arrays, from_dataset
from holdfast.errors import InputError
from holdfast.inputs import to_tensor
from holdfast.units import Bounds, Count

logger = logging.getLogger(__name__)


@checked
def as_examples(
    data: Any,
    *,
    part: str = "test",
    num_classes: Count | None = None,
    range: Bounds = UNIT,
) -> Examples:
    """Return `data` as a set of examples.

    data: Examples, a pair of tensors or arrays (x, y), a torch Dataset or DataLoader, the name or
    path of a set, Splits, or an iterable of batches (which is read into memory, and it says so).
    part: which part of a name or of Splits is meant ("train", "validation", "test"). num_classes
    and range describe data that does not say so itself. Raises InputError for anything else.
    """
    found = as_training_data(data, part=part, num_classes=num_classes, range=range)
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
) -> Examples | Stream:
    """Return `data` as `as_examples` does, but an iterable of batches as a Stream."""
    if isinstance(data, Examples | Stream):
        return data
    if isinstance(data, str | Path):
        data = load(data)
    if isinstance(data, Splits):
        return _part(data, part)
    if isinstance(data, tuple | list) and len(data) == 2 and _is_array(data[0]):
        x, y = (to_tensor(value, name) for value, name in zip(data, "xy", strict=True))
        return from_tensors(x, y, num_classes=num_classes, range=range)
    if isinstance(data, DataLoader):
        return from_loader(data, num_classes=num_classes, range=range)
    if _is_array(data):
        raise InputError("data need labels, got an array alone: pass a pair (x, y)")
    if _is_dataset(data):
        return from_dataset(data, num_classes=num_classes, range=range)
    if isinstance(data, Iterable) and not isinstance(data, Mapping):
        return Stream(_batched(data), name=type(data).__name__, range=range)
    raise InputError(
        f"cannot read data from {type(data).__name__}: pass a pair (x, y), a torch Dataset or "
        "DataLoader, or the name or path of a set"
    )


def _part(splits: Splits, part: str) -> Examples:
    if part not in ("train", "validation", "test"):
        raise InputError(f"part must be 'train', 'validation' or 'test', got {part!r}")
    examples: Examples = getattr(splits, part)
    return examples


def _batched(data: Iterable[Any]) -> Iterable[Any]:
    """Let a DataLoader make the batches of an IterableDataset, which yields single examples."""
    if not isinstance(data, IterableDataset):
        return data
    return DataLoader(data, batch_size=128, collate_fn=collate_arrays)


def _is_dataset(data: Any) -> bool:
    """Return True if `data` is read by index and has a length; lists are batches, not examples."""
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return indexed and not isinstance(data, list | tuple | Mapping | type)


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray)
