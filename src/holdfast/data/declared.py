"""Labels and names of classes that a dataset declares besides its items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset

from holdfast.data.fields import Fields, usual_label
from holdfast.errors import InputError
from holdfast.inputs import to_tensor


def listed_labels(dataset: Any, fields: Fields) -> Tensor | None:
    """Return the labels that a dataset lists, in `.targets` or in a column of its own, or None.

    torchvision's have the first, those of Hugging Face the second; `with_transform` leaves it.
    """
    if type(dataset) is Subset:
        inner = listed_labels(dataset.dataset, fields)
        return None if inner is None else inner[torch.as_tensor(dataset.indices)]
    targets = getattr(dataset, "targets", None)
    if targets is None or getattr(dataset, "target_transform", None) is not None:
        targets = _column(dataset, fields)
    try:
        labels = None if targets is None else to_tensor(targets)
    except InputError:
        return None
    fits = labels is not None and labels.shape == (len(dataset),) and not labels.is_floating_point()
    return labels.long() if labels is not None and fits else None


def _column(dataset: Any, fields: Fields) -> Any:
    """Return the labels of a dataset of Hugging Face, without a look at its images."""
    if not (hasattr(dataset, "column_names") and hasattr(dataset, "with_format")):
        return None
    name = fields.y if fields.y is not None else usual_label(dataset.column_names)
    return list(dataset.with_format(None)[name]) if name in dataset.column_names else None


def class_names(
    dataset: Any, fields: Fields, y: Tensor, count: int | None
) -> tuple[str, ...] | None:
    """Return the names that a dataset of torchvision or Hugging Face has, if they are those of y.

    They are not where labels are transformed, or not those that the dataset itself lists.
    """
    inner, listed = dataset, listed_labels(dataset, fields)
    while type(inner) is Subset:
        inner = inner.dataset
    names = _named(inner) or _feature_names(inner, fields)
    if names is None or len(names) <= int(y.max()) or count not in (None, len(names)):
        return None
    transformed = getattr(inner, "target_transform", None) is not None
    agreed = listed is None or torch.equal(listed, y)
    return names if agreed and not transformed else None


def _named(dataset: Any) -> tuple[str, ...] | None:
    names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple):
        return None
    index = getattr(dataset, "class_to_idx", None)
    if isinstance(index, Mapping) and len(index) == len(names) and set(index) == set(names):
        if sorted(index.values()) != list(range(len(names))):
            return None  # several names for one label
        names = sorted(index, key=index.__getitem__)
    return tuple(str(name) for name in names)


def _feature_names(dataset: Any, fields: Fields) -> tuple[str, ...] | None:
    """Return the names of a `ClassLabel` of Hugging Face."""
    features = getattr(dataset, "features", None)
    if not isinstance(features, Mapping):
        return None
    name = fields.y if fields.y is not None else usual_label(features)
    names = getattr(features.get(name), "names", None)
    return tuple(map(str, names)) if isinstance(names, list) else None
