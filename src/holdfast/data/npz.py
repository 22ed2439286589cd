"""Sets kept as one .npz file: x_train, y_train, x_test, y_test, perhaps x_val, y_val, classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from holdfast.data.archive import Arrays, read_arrays
from holdfast.data.digits import NAMES
from holdfast.data.examples import class_count, from_tensors
from holdfast.data.splits import Splits, split
from holdfast.errors import InputError
from holdfast.inputs import check_labels, to_tensor

_NEEDED = ("x_train", "y_train", "x_test", "y_test")
_OPTIONAL = ("x_val", "y_val", "classes")
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
    a file that is missing, damaged or too large, or does not hold such arrays.
    """
    arrays, found = read_arrays(path, (*_NEEDED, *_OPTIONAL))
    absent = [key for key in _NEEDED if key not in arrays]
    if absent:
        raise InputError(
            f"{path} lacks {', '.join(absent)}; it has {', '.join(found) or 'nothing'}"
        )
    half = [key for key in ("x_val", "y_val") if key in arrays]
    if len(half) == 1:
        raise InputError(f"{path} has {half[0]} alone: add the other of x_val and y_val")
    parts = ("train", "test", "val") if half else ("train", "test")
    labels = {part: _labels(path, arrays, part) for part in parts}
    count = max(class_count(y) for y in labels.values())
    classes, count = _class_names(path, arrays.get("classes"), count)
    train, test, *rest = (
        from_tensors(
            channels_first(to_tensor(arrays[f"x_{part}"], f"x_{part} of {path}")),
            labels[part],
            name=f"{path.stem} {part}",
            classes=classes,
            num_classes=count,
        )
        for part in parts
    )
    if rest:
        return Splits(train, rest[0], test)
    train, held = split(train, validation, seed)
    return Splits(train, held, test)


def _labels(path: Path, arrays: Arrays, part: str) -> Tensor:
    name = f"y_{part} of {path}"
    y = to_tensor(arrays[f"y_{part}"], name)
    if y.dim() == 2 and y.shape[1] == 1:  # as Keras stores CIFAR-10
        y = y.squeeze(1)
    if y.numel() == 0:
        raise InputError(f"{name} is empty, got shape {tuple(y.shape)}: add at least one example")
    if y.dim() != 1:
        fix = "pass y.argmax(1) of one-hot labels" if y.dim() == 2 else "pass one for each example"
        raise InputError(f"{name} must be labels of shape (N,), got {tuple(y.shape)}: {fix}")
    check_labels(y)
    return y


def channels_first(x: Tensor) -> Tensor:
    """Return images (N, H, W) or (N, H, W, C) as (N, C, H, W); other shapes as they are."""
    if x.dim() == 3:
        return x.unsqueeze(1)
    if x.dim() == 4 and x.shape[3] in _CHANNELS and x.shape[1] not in _CHANNELS:
        return x.permute(0, 3, 1, 2).contiguous()
    return x


def _class_names(
    path: Path, stored: NDArray[Any] | None, count: int
) -> tuple[tuple[str, ...] | None, int]:
    """Return the names that the file brings or that everybody knows, and how many classes."""
    if stored is None:
        names = _CLASSES.get(path.stem)
        return (names if names and len(names) == count else None), count
    given = tuple(str(item) for item in stored.ravel())
    if len(given) < count:
        raise InputError(
            f"{path} names {len(given)} classes, and its labels need {count}: name them all"
        )
    return given, max(len(given), 2)
