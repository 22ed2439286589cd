"""Conversion of users' arguments, with one clear error for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast import data as data_room
from holdfast.arguments import checked
from holdfast.data import Splits
from holdfast.errors import InputError
from holdfast.inputs import check_labels, to_tensor
from holdfast.models import Model, wrap
from holdfast.runtime import device_of


@checked
def load_data(name: str | Path) -> Splits:
    """Return the training, validation and test parts of a set: a name ("digits") or a path."""
    return data_room.load(name)


def surrogate_model(surrogate: Any, model: Model) -> Model:
    """Return the search network on the device of the model that judges, in the same range."""
    wrapped = wrap(surrogate)
    if tuple(wrapped.range) != tuple(model.range):
        raise InputError(
            f"the surrogate takes inputs in {tuple(wrapped.range)} and the model in "
            f"{tuple(model.range)}: wrap both with the same range"
        )
    if device_of(wrapped) != device_of(model) and any(True for _ in wrapped.parameters()):
        raise InputError(
            f"the surrogate is on {device_of(wrapped)} and the model on {device_of(model)}: "
            "move both to one device"
        )
    return wrapped


def as_tensor(value: Any, name: str, device: torch.device) -> Tensor:
    """Return tensors and arrays as a tensor on `device`."""
    return to_tensor(value, name).to(device)


def per_example(value: Any, name: str, y: Tensor) -> Tensor:
    """Return one integer per example, none of them negative."""
    numbers = as_tensor(value, name, y.device)
    if numbers.shape != y.shape:
        raise InputError(
            f"{name} must be one number per example, shape {tuple(y.shape)}, "
            f"got {tuple(numbers.shape)}"
        )
    check_labels(numbers)
    return numbers.long()
