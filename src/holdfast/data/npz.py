"""Sets kept as one .npz file: x_train, y_train, x_test, y_test, perhaps x_val, y_val, classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.data.digits import NAMES
from holdfast.data.examples import Examples, from_tensors
from holdfast.data.splits import Splits, split
from holdfast.errors import InputError

Arrays = dict[str, np.ndarray[Any, Any]]

_NEEDED = ("x_train", "y_train", "x_test", "y_test")
_CHANNELS = (1, 3, 4)

_CLASSES = {
    "mnist": NAMES,
    "fashion_mnist": (
        "t-shirt", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
}  # fmt: skip
"""Names of the classes of well-known sets, by file name, for files that do not bring them."""


def load_npz(path: Path, validation: float = 0.1, seed: int = 0) -> Splits:
    """Return the parts of the set in an .npz file; ids are indices in the file's arrays.

    x: (N, H, W), (N, H, W, C), (N, C, H, W) or (N, D), uint8 or floats in 0..1. Where the file
    brings no validation part, a fraction of the training part is held out. Raises InputError for
    a file that is missing, damaged, or does not hold such arrays.
    """
    arrays = _read(path)
    absent = [key for key in _NEEDED if key not in arrays]
    if absent:
        raise InputError(
            f"{path} lacks {', '.join(absent)}; it has {', '.join(sorted(arrays)) or 'nothing'}"
        )
    count = 1 + max(int(arrays[key].max(initial=1)) for key in ("y_train", "y_test"))
    classes = _class_names(path.stem, arrays, count)
    test = _part(path.stem, arrays, "test", classes, count)
    train = _part(path.stem, arrays, "train", classes, count)
    if "x_val" in arrays and "y_val" in arrays:
        return Splits(train, _part(path.stem, arrays, "val", classes, count), test)
    train, held = split(train, validation, seed)
    return Splits(train, held, test)


def _read(path: Path) -> Arrays:
    if not path.is_file():
        raise InputError(f"no file at {path}: check the path")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:
        raise InputError(
            f"cannot read {path} ({error}): it is truncated, or no .npz of plain arrays"
        ) from error


def _part(
    name: str, arrays: Arrays, part: str, classes: tuple[str, ...] | None, count: int
) -> Examples:
    x, y = (torch.from_numpy(arrays[f"{axis}_{part}"]) for axis in "xy")
    if y.dim() == 2 and y.shape[1] == 1:  # as Keras stores CIFAR-10
        y = y.squeeze(1)
    return from_tensors(
        channels_first(x), y, name=f"{name} {part}", classes=classes, num_classes=count
    )


def channels_first(x: Tensor) -> Tensor:
    """Return images (N, H, W) or (N, H, W, C) as (N, C, H, W); other shapes as they are."""
    if x.dim() == 3:
        return x.unsqueeze(1)
    if x.dim() == 4 and x.shape[3] in _CHANNELS and x.shape[1] not in _CHANNELS:
        return x.permute(0, 3, 1, 2).contiguous()
    return x


def _class_names(name: str, arrays: Arrays, count: int) -> tuple[str, ...] | None:
    """Return the names that the file brings or that everybody knows, if there are `count`."""
    stored = arrays.get("classes")
    names = _CLASSES.get(name) if stored is None else tuple(str(item) for item in stored)
    return names if names and len(names) == count else None
