"""A trained model as a folder: weights as safetensors, everything else as JSON, nothing that runs.

`model.json` names the weights file and its sha256 and is written last, so a kill leaves the old
model or the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.errors import InputError
from holdfast.models import Model, build_network, wrap
from holdfast.models.targets.outputs import Logarithm
from holdfast.storage import read_card, shell_path, write_card
from holdfast.training.safetensors_io import (
    assign,
    read_tensors,
    tensors_of,
    write_tensors,
)

SCHEMA = "holdfast-model-1"


def model_card(model: Model, network: Mapping[str, Any] | None, **facts: Any) -> dict[str, Any]:
    """Return the card of a model: everything but its weights.

    network: its specification as plain data, None if the user built it. facts: input_shape,
    num_classes, classes.
    """
    return {
        "schema": SCHEMA,
        "network": network,
        "built_by": type(model.module).__qualname__,
        "range": list(model.range),
        "mean": _listed(model.mean),
        "std": _listed(model.std),
        **facts,
    }


def write_model(folder: Path, model: Model, card: Mapping[str, Any]) -> None:
    """Write a model below `folder`, replacing the one that is there."""
    name = f"epoch-{card['epoch']:05d}.safetensors"
    sha256 = write_tensors(folder / name, tensors_of(model.module))
    write_card(folder / "model.json", {**card, "weights": name, "sha256": sha256})
    for other in folder.glob("epoch-*.safetensors"):
        if other.name != name:
            other.unlink(missing_ok=True)


def read_model(folder: Path, network: nn.Module | None = None) -> Model:
    """Return the model stored in `folder`, in eval mode on the CPU.

    network: the module to load into, needed where the user built it. Raises StorageError for a
    damaged file and InputError for another architecture.
    """
    card = read_card(folder / "model.json", SCHEMA)
    tensors = read_tensors(folder / card["weights"], card["sha256"])
    if network is None:
        network = _rebuild(card, folder)
    module = wrap(network).module
    if card["built_by"] == Logarithm.__qualname__ and not isinstance(module, Logarithm):
        module = Logarithm(module)  # it was trained as wrap(network, outputs="probabilities")
    assign(module, tensors, folder / card["weights"])
    return _wrapped(module, card).eval()


def card_of(folder: Path) -> dict[str, Any]:
    """Return the facts stored beside a model's weights: epoch, clean, robust, network, ..."""
    return read_card(folder / "model.json", SCHEMA)


def _rebuild(card: Mapping[str, Any], folder: Path) -> nn.Module:
    if card["network"] is None:
        holds = f"{folder} holds the weights of a {card['built_by']}, a network of your own: "
        run = shell_path(folder.parent if folder.name == "best" else folder)
        raise InputError(
            f"{holds}pass network=..., the same module freshly built",
            console=f"{holds}say --model package.module:function --weights {run}",
        )
    shape = tuple(card["input_shape"])
    return build_network(card["network"], shape, card["num_classes"])


def _wrapped(module: nn.Module, card: Mapping[str, Any]) -> Model:
    low, high = card["range"]
    if card["mean"] is None:
        return wrap(module, range=(low, high))
    mean, std = torch.tensor(card["mean"]), torch.tensor(card["std"])
    return wrap(module, normalize=(mean, std), range=(low, high))


def _listed(value: Tensor | None) -> Any:
    return None if value is None else value.tolist()
