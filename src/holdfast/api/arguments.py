"""Conversion of users' arguments, with one clear error for each mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from holdfast import data as data_room
from holdfast.arguments import checked
from holdfast.data import Examples, Splits, Stream, as_examples, as_training_data
from holdfast.errors import InputError
from holdfast.inputs import check_labels, to_tensor
from holdfast.models import Model, wrap
from holdfast.threat import Targeted, ThreatModel

PARTS = ("train", "validation", "test")


@checked
def load_data(name: str | Path) -> Splits:
    """Return the training, validation and test parts of a set: a name ("digits") or a path."""
    return data_room.load(name)


@checked
def examples_of(data: Any, part: str, range: tuple[float, float] = (0.0, 1.0)) -> Examples:
    """Return data as examples; a name or path may say which part it means, as in "digits:train"."""
    if isinstance(data, str):
        name, _, said = data.rpartition(":")
        if name and said in PARTS:
            data, part = name, said
    return as_examples(data, part=part, range=range)


def check_target(model: Model, threat: ThreatModel) -> None:
    """Raise InputError for a target class that could mean a label or the number of a column."""
    if (
        model.labels is not None
        and isinstance(threat.goal, Targeted)
        and threat.goal.to is not None
    ):
        raise InputError(
            f"a target class counts the model's columns, and its classes are {model.labels}: give "
            "attack(..., targets=labels), or a classifier that was fitted on labels 0, 1, 2, ..."
        )


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


def training_parts(
    data: Any, validation: Any, range: tuple[float, float]
) -> Splits | tuple[Examples | Stream, Examples]:
    """Return the training part and the one that chooses the checkpoint."""
    fraction = validation if isinstance(validation, float) else None
    if isinstance(data, str | Path):
        data = data_room.load(data, fraction or 0.1)
    if isinstance(data, Splits) and fraction is not None:
        return data
    if isinstance(data, Mapping) and fraction is not None and {"train", "validation"} <= set(data):
        validation, fraction = data["validation"], None
    examples = as_training_data(data, range=range)
    if fraction is None:
        count = examples.num_classes if isinstance(examples, Examples) else None
        return examples, as_examples(validation, part="validation", num_classes=count, range=range)
    if isinstance(examples, Stream):
        raise InputError(
            f"{examples.name} can only be read in order, so no validation part can be held out of "
            "it: pass validation=examples"
        )
    return data_room.split(examples, fraction)


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
