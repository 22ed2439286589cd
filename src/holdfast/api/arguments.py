"""Conversion of users' arguments, with one clear error for each mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from holdfast import data as data_room
from holdfast.arguments import checked
from holdfast.data import Splits
from holdfast.errors import InputError
from holdfast.inputs import check_labels, to_tensor
from holdfast.models import Model, wrap


@checked
def load_data(name: str | Path) -> Splits:
    """Return the training, validation and test parts of a set: a name ("digits") or a path."""
    return data_room.load(name)


def search_model(search: Any, model: Model) -> Model:
    """Return the search network on the device of the model that judges, in the same range."""
    wrapped = wrap(search)
    if tuple(wrapped.range) != tuple(model.range):
        raise InputError(
            f"the search model takes inputs in {tuple(wrapped.range)} and the model in "
            f"{tuple(model.range)}: wrap both with the same range"
        )
    if device_of(wrapped) != device_of(model) and any(True for _ in wrapped.parameters()):
        raise InputError(
            f"the search model is on {device_of(wrapped)} and the model on {device_of(model)}: "
            "move both to one device"
        )
    return wrapped


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's weights lie; a model without any is on the CPU."""
    devices = [tensor.device for tensor in (*model.parameters(), *model.buffers())]
    return devices[0] if devices else torch.device("cpu")


def dtype_of(model: nn.Module) -> torch.dtype:
    """Return float64 for a model that computes in it, else float32: a search needs no less."""
    kinds = (p.dtype for p in model.parameters() if p.is_floating_point())
    return torch.float64 if next(kinds, torch.float32) is torch.float64 else torch.float32


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
