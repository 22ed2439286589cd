"""What a batch must be before anything is computed from it, each violation one clear error."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.errors import InputError
from holdfast.units import Bounds, Count

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


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
        hint = "; for one-hot labels pass y.argmax(1)" if y.dim() == 2 else ""
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
        fix = "x.float() / 255" if x.dtype is torch.uint8 else "x.float()"
        raise InputError(f"x must be floating point, got {x.dtype}: pass {fix}")
    least, most = (bound.item() for bound in x.detach().aminmax())
    if not (-torch.inf < least and most < torch.inf):  # false for NaN too
        bad = int((~x.isfinite()).flatten(1).any(1).sum())
        raise InputError(
            f"x must be finite, got NaN or infinite values in {bad} of {len(x)} examples: "
            "remove or repair them"
        )
    low, high = range
    if low <= least and most <= high:
        return
    got = f"up to {most:g}" if low <= least else f"from {least:g} to {most:g}"
    raise InputError(
        f"x must be in [{low:g}, {high:g}], got values {got}: {_fix(least, most, range)}"
    )


def check_labels(y: Tensor, num_classes: int | None = None) -> None:
    """Raise InputError unless y (N,) holds integers in 0..num_classes-1."""
    if y.dtype not in _INTEGERS:
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


def _fix(least: float, most: float, range: tuple[float, float]) -> str:
    if range == (0.0, 1.0) and least >= 0 and 1.5 < most <= 255:
        return "divide by 255"
    if range == (0.0, 1.0) and -10 < least < 0 and most < 10:
        return "undo the normalisation and give it to wrap(model, normalize=(mean, std))"
    return "rescale or clamp x, or state the range that the model accepts in wrap(model, range=...)"
