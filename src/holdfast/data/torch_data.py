"""Map-style datasets that others wrote for PyTorch, read by index through our own sampler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset, default_collate

from holdfast.data.declared import class_names, listed_labels
from holdfast.data.examples import (
    DARK,
    Examples,
    check_bytes,
    class_count,
    from_tensors,
    scale_bytes,
)
from holdfast.data.fields import BY_NAME, Fields, as_tensor, pair, together
from holdfast.errors import HoldfastError, InputError, in_one_line
from holdfast.inputs import UNIT, check_input, check_labels, to_tensor
from holdfast.outline import outlined

Collate = Callable[[list[Any]], Any]

logger = logging.getLogger(__name__)

_PROBE = 8  # examples fetched as a sample of a dataset
_SAMPLE = 64  # examples whose labels are compared with the listed ones before those are used
_CHUNK = 256  # examples read at once for their labels


@outlined
@dataclass(frozen=True, eq=False)
class FromDataset:
    """Examples that somebody's dataset makes and perhaps somebody's function collates.

    labels: those that the set goes by. Every example that is fetched must bring its own.
    """

    dataset: Any  # with __getitem__ and __len__
    collate: Collate | None  # None: as PyTorch does it by default, of x and y alone
    range: tuple[float, float]
    name: str
    fields: Fields = BY_NAME
    labels: Tensor | None = None  # (N,) int64; None: not known yet
    listed: bool = False  # the labels are from the dataset's `.targets`, not from its items

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.fetch_pair(torch.zeros(1, dtype=torch.long))[0].shape[1:])

    def fetch(self, rows: Tensor) -> Tensor:
        """Return x (B, ...); InputError where an example does not have the set's label or shape."""
        x, y = self.fetch_pair(rows)
        if tuple(x.shape[1:]) != self.shape:
            raise InputError(
                f"item {int(rows[0])} of {self.name} has shape {tuple(x.shape[1:])}, item 0 "
                f"{self.shape}: bring all to one size (transform=Resize(...))"
            )
        self.compare(rows, y)
        return x

    def fetch_pair(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return x (B, ...) and y (B,) of the examples at `rows`; InputError if they are unfit."""
        x, y = self._collated(rows)
        check_input(scale_bytes(x, self.range), y, self.range)
        if len(y) != len(rows):
            raise InputError(
                f"the collate function makes {len(y)} examples of {len(rows)} items of "
                f"{self.name}: let it keep one for each, or pass an iterable of batches"
            )
        return x, y

    def _collated(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        items = self._items(rows.tolist())
        try:
            if self.collate is None:
                return together(map(self.fields.of, items))
            return pair(self.collate(items), self.fields)
        except HoldfastError:
            raise
        except (TypeError, ValueError, RuntimeError, LookupError, AttributeError) as error:
            _refuse_shapes(items, rows, self)
            raise InputError(
                f"cannot collate the items of {self.name} ({in_one_line(error)}): "
                "let it return tensors (transform=ToTensor()), or pass a DataLoader with collate_fn"
            ) from error

    def _items(self, rows: list[int]) -> list[Any]:
        several = getattr(self.dataset, "__getitems__", None)  # PyTorch's loaders prefer it, too
        items: list[Any] = []
        try:
            if several:
                return list(several(rows))
            items.extend(self.dataset[row] for row in rows)  # as far as they can be read
        except HoldfastError:
            raise
        except IndexError as error:
            raise InputError(
                f"{self.name} says that it has {len(self.dataset)} items, and reading items "
                f"{rows[0]} to {rows[-1]} raises IndexError ({error}): correct its __len__ or the "
                "indices"
            ) from error
        except Exception as error:  # a user's dataset may raise anything
            span = f"one of the items {rows[0]} to {rows[-1]}"
            which = span if several else f"item {rows[len(items)]}"
            raise InputError(
                f"{which} of {self.name} cannot be read ({type(error).__name__}: "
                f"{(str(error).splitlines() or [''])[0]}): mend it, or leave it out (Subset)"
            ) from error
        return items

    def compare(self, rows: Tensor, y: Tensor) -> None:
        """Raise InputError if y (B,) are not the labels that the examples at `rows` go by."""
        if self.labels is None:
            return
        other = (self.labels[rows] != y).nonzero().flatten()
        if not len(other):
            return
        row, known, now = (int(part[other[0]]) for part in (rows, self.labels[rows], y))
        if self.listed:
            raise InputError(
                f"item {row} of {self.name} comes with label {now}, but the labels that it lists "
                f"(.targets, or a column) say {known}: make them agree"
            )
        raise InputError(
            f"item {row} of {self.name} came with label {known} and now with {now}: "
            "draw label noise once, before the evaluation or training"
        )


def from_dataset(
    dataset: Any,
    collate: Collate | None = None,
    *,
    name: str | None = None,
    num_classes: int | None = None,
    range: tuple[float, float] = UNIT,
    fields: Fields = BY_NAME,
) -> Examples:
    """Return a map-style dataset of pairs or of named fields as a set; ids are its indices.

    Items are made anew each time they are needed, and each must come with the label that it had
    before. Raises InputError unless they collate to tensors x (B, ...), uint8 or floats within
    `range`, and labels y (B,).
    """
    name = name or type(dataset).__name__
    if len(dataset) == 0:
        raise InputError(f"{name} is empty: pass at least one example")
    if type(dataset) is TensorDataset and collate is None and fields == BY_NAME:
        x, y = pair(dataset.tensors)
        return from_tensors(x, y, name=name, num_classes=num_classes, range=range)
    source = FromDataset(dataset, collate, range, name, fields)
    _probe(source)
    source = _labeled(source)
    labels = source.labels
    assert labels is not None, "_labeled has set them"
    names = class_names(dataset, source.fields, labels, num_classes)
    check_labels(labels, num_classes)
    index = torch.arange(len(dataset))
    return Examples(
        name=name,
        source=source,
        rows=index,
        y=labels,
        ids=index,
        num_classes=num_classes or (len(names) if names else class_count(labels)),
        classes=names,
        range=range,
    )


def collate_arrays(items: list[Any]) -> Any:
    """Collate as PyTorch does by default, after arrays of any kind have become tensors."""
    return default_collate([_as_tensors(item) for item in items])


def _as_tensors(item: Any) -> Any:
    if isinstance(item, np.ndarray):
        return to_tensor(item)
    if type(item) in (list, tuple):
        return type(item)(_as_tensors(part) for part in item)
    if isinstance(item, Mapping):
        return {key: _as_tensors(part) for key, part in item.items()}
    return item


def _refuse_shapes(items: list[Any], rows: Tensor, source: FromDataset) -> None:
    """Raise InputError if the examples have different shapes, naming the first that differs."""
    shapes = [_shape(item, source.fields) for item in items]
    for row, shape in zip(rows.tolist(), shapes, strict=False):
        if None not in (shape, shapes[0]) and shape != shapes[0]:
            raise InputError(
                f"item {row} of {source.name} has shape {shape}, item {int(rows[0])} {shapes[0]}: "
                "bring all to one size (transform=Resize(...))"
            )


def _shape(item: Any, fields: Fields) -> tuple[int, ...] | None:
    try:
        return tuple(as_tensor(fields.of(item)[0], "x").shape)
    except (InputError, TypeError, RuntimeError):
        return None


def _probe(source: FromDataset) -> None:
    """Read the first rows together, then one by one; warn unless that is the same.

    Raises InputError if their labels are not.
    """
    rows = torch.arange(min(len(source.dataset), _PROBE))
    x, y = source.fetch_pair(rows)
    again = [source.fetch_pair(row) for row in rows.split(1)]
    replace(source, labels=y.long()).compare(rows, torch.cat([one for _, one in again]))
    if all(torch.equal(one, alone[0]) for one, (alone, _) in zip(x, again, strict=True)):
        return
    logger.warning(
        "%s draws at random when it is read, or makes an example by its batch mates: results "
        "cannot repeat and resuming is not exact; leave augmentation to holdfast.data.FlipCrop",
        source.name,
    )


def _labeled(source: FromDataset) -> FromDataset:
    """Return the source with the labels of all: those listed, if a sample of items confirms them.

    Besides the sample, every example is compared with its label when it is fetched.
    """
    count = len(source.dataset)
    listed = listed_labels(source.dataset, source.fields)
    if listed is not None:
        rows = torch.linspace(0, count - 1, min(count, _SAMPLE), dtype=torch.float64).long()
        found, brightest = _read(source, rows.split(_PROBE))
        if torch.equal(listed[rows], found) and brightest > DARK:
            return replace(source, labels=listed, listed=True)
    labels, brightest = _read(source, torch.arange(count).split(_CHUNK))
    check_bytes(brightest, source.range, source.name)
    return replace(source, labels=labels)


def _read(source: FromDataset, parts: Iterable[Tensor]) -> tuple[Tensor, int]:
    """Return the labels (N,) of examples and the largest byte of them; 255 if they are floats."""
    labels, brightest = [], 0
    for rows in parts:
        x, y = source.fetch_pair(rows)
        labels.append(y.long())
        brightest = max(brightest, int(x.max()) if x.dtype is torch.uint8 else 255)
    return torch.cat(labels), brightest
