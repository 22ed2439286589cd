"""Checks of a batch before anything is computed from it, each violation one clear error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holdfast.arguments import checked
from holdfast.errors import InputError
from holdfast.units import Bounds, Count

UNIT = (0.0, 1.0)
_WHITES = (15, 16, 100, 255, 1023, 4095, 65535)  # of so many bits, in per cent, and in digits
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
_WIDENED = (torch.uint16, torch.uint32, torch.uint64)  # which PyTorch stores but computes little on


def to_tensor(value: Any, name: str = "data") -> Tensor:
    """Return tensors, arrays and lists of numbers as a dense tensor of the same values.

    Arrays may have any byte order, strides and precision, and may be read-only or of Python
    numbers. Unsigned integers of more than a byte become int64. Raises InputError, naming `name`,
    for data without numbers or with masked ones.
    """
    if isinstance(value, Tensor):
        return _dense(value, name)
    if hasattr(value, "__array__"):
        return torch.from_numpy(_native(value, name))
    try:
        return _dense(torch.as_tensor(value), name)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"{name} must be a tensor or an array, got {type(value).__name__}"
        ) from None


def _dense(value: Tensor, name: str) -> Tensor:
    if value.layout is not torch.strided or value.is_nested or value.is_quantized:
        raise InputError(
            f"{name} must be a dense tensor of numbers, got {value.layout} of {value.dtype}: "
            f"pass {name}.to_dense() or {name}.dequantize()"
        )
    if value.is_inference():
        value = value.clone()  # autograd takes none that was made in inference mode
    if value.is_meta:
        raise InputError(f"{name} is on the device meta, where no values are: load it on another")
    if value.is_floating_point() and value.element_size() == 1:
        return value.float()
    return value.long() if value.dtype in _WIDENED else value


def _native(value: Any, name: str) -> NDArray[Any]:
    """Return an array as one that `torch.from_numpy` takes: native numbers, in order, writable."""
    if np.ma.is_masked(value):
        count = int(np.ma.getmaskarray(value).sum())
        raise InputError(f"{name} has {count} masked values: fill them in or leave them out")
    array = np.asarray(value)
    if array.dtype.kind == "O":
        array = _unboxed(array, name)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name} must be an array of numbers, got one of {_in_short(array.dtype)}: "
            "pass numbers; np.searchsorted(names, y) numbers every part alike, names being the "
            "sorted names of all classes (classes_ of a scikit-learn classifier)"
        )
    wanted = array.dtype.newbyteorder("=")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        wanted = np.dtype(np.float64)
    elif array.dtype.kind == "u" and array.dtype.itemsize > 1:
        wanted = np.dtype(np.int64)
    if array.dtype == wanted and array.flags.carray:
        return array
    return np.array(array, dtype=wanted, order="C")


def _unboxed(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an array of Python objects as one of the numbers that they are."""
    try:
        found = np.array(array.tolist())
    except (TypeError, ValueError):
        shapes = sorted({np.shape(item) for item in array.flat if hasattr(item, "shape")})
        kinds = f"shapes {', '.join(map(str, shapes[:3]))}" if shapes else "different kinds"
        raise InputError(f"{name} is an array of objects of {kinds}: make them alike") from None
    return found


def _in_short(dtype: np.dtype[Any]) -> str:
    if dtype.names:
        return f"records with fields {', '.join(dtype.names)}"
    return {"U": "text", "S": "text", "O": "objects"}.get(dtype.kind, str(dtype))


@checked
def check_input(
    x: Tensor, y: Tensor, range: Bounds = (0.0, 1.0), num_classes: Count | None = None
) -> None:
    """Raise InputError unless x (N, ...) and y (N,) are examples a model with `range` can be asked.

    x: finite floats within `range`. y: integer labels in 0..num_classes-1, or just not negative if
    the number of classes is not known.
    """
    check_pair(x, y)
    check_values(x, range)
    check_labels(y, num_classes)


def check_pair(x: Tensor, y: Tensor) -> None:
    """Raise InputError unless x (N, ...) and y (N,) are tensors of one length above 0."""
    for name, value in (("x", x), ("y", y)):
        if not isinstance(value, Tensor):
            raise InputError(
                f"{name} must be a torch.Tensor, got {type(value).__name__}: use torch.as_tensor"
            )
    if y.dim() != 1:
        hint = ""
        if y.dim() == 2:
            hint = ": pass y[:, 0]" if y.shape[1] == 1 else "; for one-hot labels pass y.argmax(1)"
        raise InputError(f"y must be labels of shape (N,), got shape {tuple(y.shape)}{hint}")
    if x.dim() < 2:
        raise InputError(f"x must be examples of shape (N, ...), got shape {tuple(x.shape)}")
    if len(x) != len(y):
        raise InputError(f"x and y must have one length, got {len(x)} examples and {len(y)} labels")
    if x.numel() == 0:
        raise InputError(f"x is empty, got shape {tuple(x.shape)}: pass at least one example")


def check_values(x: Tensor, range: tuple[float, float]) -> None:
    """Raise InputError unless every value of x is a finite float within `range`."""
    if not x.is_floating_point():
        raise InputError(f"x must be floating point, got {x.dtype}: pass {_scaled(x)}")
    least, most = (bound.item() for bound in x.detach().aminmax())
    if not (-torch.inf < least and most < torch.inf):  # false for NaN too
        bad = int((~x.isfinite()).flatten(1).any(1).sum())
        raise InputError(
            f"x must be finite, got NaN or infinite values in {bad} of {len(x)} examples: "
            "remove or repair them"
        )
    low, high = range
    # In the precision of x: 0.1 in float32 is more than 0.1, and in the range that ends there.
    floor, ceiling = torch.tensor([low, high], dtype=x.dtype).tolist()
    if floor <= least and most <= ceiling:
        return
    got = f"up to {most:g}" if low <= least else f"from {least:g} to {most:g}"
    raise InputError(
        f"x must be in [{low:g}, {high:g}], got values {got}: {_fix(least, most, range)}"
    )


def check_labels(y: Tensor, num_classes: int | None = None) -> None:
    """Raise InputError unless y (N,) holds integers in 0..num_classes-1."""
    if y.dtype not in INTEGERS:
        raise InputError(f"y must be integer labels, got {y.dtype}: pass y.long()")
    least, most = (int(bound) for bound in y.aminmax())
    if least < 0:
        raise InputError(f"labels must not be negative, got {least}: number the classes from 0")
    if num_classes is not None and most >= num_classes:
        fix = "subtract 1" if (least, most) == (1, num_classes) else "use the model's own classes"
        raise InputError(f"labels must be in 0..{num_classes - 1}, got {most}: {fix}")


def as_columns(y: Tensor, labels: Sequence[int] | None) -> Tensor:
    """Return (N,) int64: the columns that the labels y (N,) stand for; InputError for another one.

    labels: of a model's columns in their order; None: label k is column k.
    """
    if labels is None:
        return y.long()
    known = torch.tensor(labels, dtype=torch.int64, device=y.device)
    same = y[:, None] == known
    if not bool(same.any(1).all()):
        other = int(y[~same.any(1)][0])
        shown = ", ".join(map(str, labels[:6])) + (", ..." if len(labels) > 6 else "")
        raise InputError(
            f"label {other} is none of the model's classes {shown}: give the labels that it was "
            "fitted with, and leave out examples of other classes"
        )
    return same.int().argmax(1)


def _scaled(x: Tensor) -> str:
    """Return the expression that makes floats of x as it would be in 0..1."""
    if x.dtype in (torch.bool, torch.complex64, torch.complex128):
        return "x.float()" if x.dtype is torch.bool else "x.real or x.abs()"
    least, most = int(x.min()), int(x.max())
    if least >= 0 and most > 1:
        white = brightest(most) or "the largest value that can occur"
        return f"x.float() / {white}"
    return "x.float()"


def brightest(most: float) -> int | None:
    """Return which value stands for 1 in data up to `most`; None where that cannot be told."""
    if most in _WHITES:
        return int(most)
    return 255 if 128 < most < 255 else None


def _fix(least: float, most: float, range: tuple[float, float]) -> str:
    """Return the fix for values of x that go from `least` to `most`."""
    if range == UNIT and -10 < least < 0 and most < 10:
        symmetric = least >= -1 and most <= 1
        own = f", or state the range: {_stated('(-1, 1)')}" if symmetric else ""
        return f"undo the normalization and give it to wrap(model, normalize=(mean, std)){own}"
    if range == UNIT and least >= 0:
        if white := brightest(most):
            return f"divide by {white}, or state the range: {_stated(f'(0, {white})')}"
        if 1.5 < most < 65535:
            of_bytes = " (255 of bytes)" if 16 < most < 255 else ""
            return f"divide by the largest value that can occur{of_bytes}"
    return "rescale or clamp x, or state the range that it has: " + _stated("(low, high)")


def _stated(bounds: str) -> str:
    return f"wrap(model, range={bounds}) and Linf(eps=..., range={bounds})"


def check_images(x: Tensor, does: str, most: int | None = None) -> None:
    """Refuse anything but a batch of images; `does` begins the message, such as "Flow moves".

    most: channels. The message names the sets that take inputs of any shape.
    """
    if x.ndim == 4 and (most is None or x.shape[1] <= most):
        return
    limit = "" if most is None else f" of at most {most} channels"
    raise InputError(
        f"{does} images (B, C, H, W){limit}, got shape {tuple(x.shape)}: for others use Linf, L2, "
        "L1 or L0"
    )
