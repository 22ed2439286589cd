"""Sets that others wrote for PyTorch: a Dataset or a DataLoader, read through our own sampler."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    default_collate,
)

from holdfast.data.examples import UNIT, Examples, as_float, class_count, from_tensors
from holdfast.data.stream import pair
from holdfast.errors import InputError
from holdfast.inputs import check_input, check_labels

Collate = Callable[[list[Any]], Any]

logger = logging.getLogger(__name__)

_PROBE = 8  # examples that are fetched to see what a dataset is like
_CHUNK = 256  # examples read at once for their labels


@dataclass(frozen=True, eq=False)
class FromDataset:
    """Examples that somebody's dataset makes and somebody's function collates."""

    dataset: Any  # with __getitem__ and __len__
    collate: Collate
    range: tuple[float, float]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.fetch(torch.zeros(1, dtype=torch.long)).shape[1:])

    def fetch(self, rows: Tensor) -> Tensor:
        return self.fetch_pair(rows)[0]

    def fetch_pair(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return x (B, ...) and y (B,) of the examples at `rows`; InputError if they are unfit."""
        items = [self.dataset[row] for row in rows.tolist()]
        try:
            x, y = pair(self.collate(items))
        except TypeError as error:
            raise InputError(
                f"cannot collate the dataset's items ({str(error).splitlines()[0]}): "
                "let it return tensors (transform=ToTensor()), or pass a DataLoader with collate_fn"
            ) from error
        check_input(as_float(x, self.range), y, self.range)
        return x, y


def from_loader(loader: DataLoader[Any], **labels: Any) -> Examples:
    """Return the set behind a DataLoader, read by its own collate function, and say so.

    A SubsetRandomSampler keeps its subset. Options are those of `from_dataset`.
    """
    collate = default_collate if loader.batch_size is None else loader.collate_fn
    dataset: Any = loader.dataset
    lost = ""
    if isinstance(loader.sampler, SubsetRandomSampler):
        dataset = Subset(dataset, sorted(loader.sampler.indices))
    elif not isinstance(loader.sampler, SequentialSampler | RandomSampler):
        lost = f"; its {type(loader.sampler).__name__} is not used"
    logger.warning(
        "DataLoader rebuilt from its dataset and collate function; "
        "order and batch size are Holdfast's%s",
        lost,
    )
    return from_dataset(dataset, collate, **labels)


def from_dataset(
    dataset: Any,
    collate: Collate | None = None,
    *,
    name: str | None = None,
    num_classes: int | None = None,
    range: tuple[float, float] = UNIT,
) -> Examples:
    """Return a map-style dataset of pairs (x, y) as a set; ids are its indices.

    Items are made anew each time they are needed. Raises InputError unless they collate to tensors
    x (B, ...), uint8 or floats within `range`, and labels y (B,).
    """
    name = name or type(dataset).__name__
    if len(dataset) == 0:
        raise InputError(f"{name} is empty: pass at least one example")
    collate = collate or default_collate
    if isinstance(dataset, TensorDataset) and collate is default_collate:
        x, y = pair(dataset.tensors)
        return from_tensors(x, y, name=name, num_classes=num_classes, range=range)
    source = FromDataset(dataset, collate, range)
    probe = torch.arange(min(len(dataset), _PROBE))
    x, y = source.fetch_pair(probe)
    if not torch.equal(x, source.fetch(probe)):
        logger.warning(
            "%s draws at random when it is read: results cannot repeat and resuming is not exact; "
            "leave augmentation to holdfast.data.FlipCrop",
            name,
        )
    y = _labels(source, probe, y)
    check_labels(y, num_classes)
    index = torch.arange(len(dataset))
    return Examples(
        name=name,
        source=source,
        rows=index,
        y=y.long(),
        ids=index,
        num_classes=num_classes or class_count(y),
        classes=_class_names(dataset),
        range=range,
    )


def _labels(source: FromDataset, probe: Tensor, seen: Tensor) -> Tensor:
    """Return the labels of all examples: those the dataset lists, if they are what it returns."""
    listed = _listed(source.dataset)
    if listed is not None and torch.equal(listed[probe], seen.long()):
        return listed
    index = torch.arange(len(source.dataset))
    return torch.cat([source.fetch_pair(rows)[1] for rows in index.split(_CHUNK)])


def _listed(dataset: Any) -> Tensor | None:
    """Return the labels that a dataset keeps in `.targets`, as torchvision's do, or None."""
    if isinstance(dataset, Subset):
        inner = _listed(dataset.dataset)
        return None if inner is None else inner[torch.as_tensor(dataset.indices)]
    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        return None
    try:
        labels = torch.as_tensor(targets)
    except (TypeError, ValueError, RuntimeError):
        return None
    fits = labels.shape == (len(dataset),) and not labels.is_floating_point()
    return labels.long() if fits else None


def _class_names(dataset: Any) -> tuple[str, ...] | None:
    """Return the names in `.classes`, as torchvision's datasets have them, or None."""
    if isinstance(dataset, Subset):
        return _class_names(dataset.dataset)
    names = getattr(dataset, "classes", None)
    return tuple(str(name) for name in names) if isinstance(names, list | tuple) else None
