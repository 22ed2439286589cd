"""The input and the label of an item or a batch: a pair, or two of the fields that have names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor, stack
from torch.utils.data import default_collate

from holdfast.data.images import pixels_of
from holdfast.errors import InputError
from holdfast.inputs import to_tensor

INPUTS = ("pixel_values", "image", "images", "img", "x", "input", "inputs")
LABELS = ("label", "labels", "y", "target", "targets")

Key = str | int
"""The name of a field, or its place in a tuple."""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """The fields that are x and y; None: the one that has one of the usual names."""

    x: Key | None = None
    y: Key | None = None

    def of(self, item: Any) -> tuple[Any, Any]:
        """Return x and y of an item or a batch as they are; InputError where that is not clear."""
        named = None if self._by_place(item) else _named(item)
        if named is not None:
            return _field(named, self.x, INPUTS, "x"), _field(named, self.y, LABELS, "y")
        places = range(len(item)) if isinstance(item, list | tuple) else ()
        x, y = (0 if self.x is None else self.x, 1 if self.y is None else self.y)
        if x in places and y in places and (len(places) == 2 or self != BY_NAME):
            return item[x], item[y]
        size = f"{type(item).__name__} of {len(item)}" if hasattr(item, "__len__") else type(item)
        raise InputError(
            f"a batch must be a pair of tensors (x, y) or have named fields, got {size}: return "
            "pairs from the dataset, or say the places, as in hf.data.as_examples(data, x=0, y=1)"
        )

    def _by_place(self, item: Any) -> bool:
        """Return True for a tuple, named or not, that is a pair or whose places were stated."""
        stated = [key for key in (self.x, self.y) if key is not None]
        pair = not stated and hasattr(item, "__len__") and len(item) == 2
        return isinstance(item, tuple) and (
            pair or (bool(stated) and all(isinstance(key, int) for key in stated))
        )


BY_NAME = Fields()


def _named(item: Any) -> Mapping[Any, Any] | None:
    """Return the fields of an item with named ones, else None."""
    if isinstance(item, Mapping):
        return item
    if isinstance(item, tuple) and hasattr(item, "_asdict"):
        found: Mapping[Any, Any] = item._asdict()
        return found
    if is_dataclass(item) and not isinstance(item, type):
        return {field.name: getattr(item, field.name) for field in fields(item)}
    return None


def _field(named: Mapping[Any, Any], key: Key | None, usual: Iterable[str], role: str) -> Any:
    if key is not None:
        if key in named:
            return named[key]
        raise InputError(f"there is no field {key!r} to be {role}: there are {_listed(named)}")
    found = [name for name in usual if name in named]
    if len(found) == 1:
        return named[found[0]]
    noun = "input" if role == "x" else "label"
    example = repr(found[0]) if found else "..."
    why = f"{' and '.join(map(repr, found))} could be" if found else "none has a usual name for"
    raise InputError(
        f"an item has the fields {_listed(named)}, and {why} the {noun}: say which is, as in "
        f"hf.data.as_examples(data, {role}={example})"
    )


def usual_label(names: Collection[Any]) -> str | None:
    """Return the one name among these that labels usually have, or None."""
    found = [name for name in LABELS if name in names]
    return found[0] if len(found) == 1 else None


def _listed(named: Mapping[Any, Any]) -> str:
    return ", ".join(repr(name) for name in list(named)[:12]) or "none"


def pair(item: Any, chosen: Fields = BY_NAME) -> tuple[Tensor, Tensor]:
    """Return a batch as tensors x (B, ...) and y (B,); InputError if it is something else."""
    x, y = chosen.of(item)
    if _is_batch(x) and _is_batch(y):
        return as_tensor(x, "x").detach().cpu(), as_tensor(y, "y").detach().cpu()
    raise InputError(
        f"a batch must be a pair of tensors (x, y), got x as {type(x).__name__} and y as "
        f"{type(y).__name__}: return tensors from the dataset (transform=ToTensor()), or pass a "
        "DataLoader with collate_fn"
    )


def together(examples: Iterable[tuple[Any, Any]]) -> tuple[Tensor, Tensor]:
    """Return the x and y of single examples as one batch, collated as PyTorch does by default."""
    items = []
    for x, y in examples:
        if isinstance(y, str | bytes):
            raise InputError(f"the label of an item is {y!r}: number the classes from 0")
        items.append((as_tensor(x, "x"), y))
    return pair(default_collate(items))


def is_single(y: Any) -> bool:
    """Return True for the label of one example: a number, not a row of them."""
    return np.ndim(y) == 0 if isinstance(y, Tensor | np.ndarray) else not _is_sequence(y)


def as_tensor(value: Any, name: str) -> Tensor:
    """Return tensors, arrays, images and lists of them as one tensor; an image as (C, H, W)."""
    if isinstance(value, Image.Image):
        return pixels_of(value)
    if _is_sequence(value) and len(value) and not isinstance(value[0], int | float):
        return stack([as_tensor(part, name) for part in value])
    if isinstance(value, str | bytes | Mapping) or value is None:
        raise InputError(
            f"{name} of an item is a {type(value).__name__}: return a tensor, an array or an image "
            "of Pillow from the dataset (transform=ToTensor())"
        )
    return to_tensor(value, name)


def _is_batch(value: Any) -> bool:
    """Return True for an array, and for a list of arrays, images or numbers."""
    if _is_sequence(value):
        return all(isinstance(part, Tensor | np.ndarray | Image.Image | int) for part in value)
    return isinstance(value, Tensor | np.ndarray)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple)
