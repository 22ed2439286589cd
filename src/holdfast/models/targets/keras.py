"""Keras 3 models: networks on its PyTorch backend, targets that answer on the others."""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.models.targets.base import Target
from holdfast.models.targets.outputs import checked_outputs
from holdfast.units import Count


class KerasNetwork(nn.Module):
    """A Keras model on the PyTorch backend: a network like any other but for its digest.

    Keras names a parameter otherwise in a copy or after loading, so architecture and values count.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        """Return the model's output in inference mode; x is shaped as the model wants it."""
        return self.module(x, training=False)

    @property
    def title(self) -> str:
        """Return its name in claims."""
        return _title(self.module)

    def holdfast_digest(self) -> str:
        """Return the digest that stands for the model and all that it is made of."""
        return _digest(self.module)


class KerasModel(Target):
    """A Keras model that answers and cannot be differentiated here; inputs as it wants them.

    On Keras's PyTorch backend a model is a `torch.nn.Module`, and `wrap` takes it as one: a white
    box. Either digest covers architecture and weights, but not the code of classes and functions
    that are not Keras's own: with such, a model is not sealed.
    """

    @checked
    def __init__(
        self, model: Any, outputs: str | None = None, *, num_classes: Count | None = None
    ) -> None:
        self.model = model
        self.num_classes = num_classes
        self.outputs = checked_outputs(outputs, self.name, _last(model))
        self.sealed = _is_keras_alone(json.loads(model.to_json()))

    def ask(self, x: NDArray[Any]) -> Any:
        answer = self.model(x, training=False)
        return import_module("keras").ops.convert_to_numpy(answer)

    @property
    def name(self) -> str:
        return _title(self.model)

    def settings(self) -> str:
        return f"keras sha256={_digest(self.model)}"


def is_keras(model: Any) -> bool:
    """Return True if an object is one of Keras's models or layers, without importing Keras."""
    return any(base.__module__.partition(".")[0] == "keras" for base in type(model).__mro__)


def _title(model: Any) -> str:
    return f"Keras {type(model).__name__} {model.name}"


def _last(model: Any) -> str:
    """Return a word on the last layer where it is known to make probabilities; else nothing."""
    layer = next(iter(reversed(getattr(model, "layers", []))), model)
    names = type(layer).__name__, getattr(getattr(layer, "activation", None), "__name__", "")
    found = [name.lower() for name in names if name.lower() in ("softmax", "sigmoid")]
    return f"its last layer is a {found[0]}" if found else ""


def _is_keras_alone(config: Any) -> bool:
    """Return True if everything that a configuration names is Keras's own code."""
    if isinstance(config, dict):
        kind, module = config.get("class_name"), config.get("module") or ""
        plain = str(kind).startswith("__") and kind != "__lambda__"  # a tuple, a number, a tensor
        known = kind is None or plain or module.partition(".")[0] == "keras"
        return known and _is_keras_alone(list(config.values()))
    return all(map(_is_keras_alone, config)) if isinstance(config, list) else True


def _digest(model: Any) -> str:
    """Return the sha256 of architecture and weights."""
    layers = json.dumps(json.loads(model.to_json())["config"], sort_keys=True)
    total = hashlib.sha256(layers.encode())
    for weight in model.get_weights():
        values = np.ascontiguousarray(weight)
        total.update(f"{values.dtype} {values.shape} ".encode() + values.tobytes())
    return total.hexdigest()
