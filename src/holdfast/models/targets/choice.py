"""Choice of the target for a user's object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.errors import InputError
from holdfast.models.targets.base import Target
from holdfast.models.targets.endpoint import Endpoint
from holdfast.models.targets.estimator import Estimator
from holdfast.models.targets.function import Function
from holdfast.models.targets.keras import KerasModel, is_keras
from holdfast.models.targets.onnx import Onnx


def target_of(model: Any, outputs: str | None = None, num_classes: int | None = None) -> Target:
    """Return the target for an object, by its methods; InputError if there is none."""
    if isinstance(model, Target):
        _nothing_to_say(outputs, num_classes, f"{type(model).__name__}(...)")
        return model
    if isinstance(model, str | Path):
        return _named(str(model), outputs, num_classes)
    if hasattr(model, "get_outputs") and hasattr(model, "run"):
        return Onnx(model, outputs, num_classes=num_classes)
    if is_keras(model):
        return KerasModel(model, outputs, num_classes=num_classes)
    if hasattr(model, "predict") and hasattr(model, "get_params") and not isinstance(model, type):
        _nothing_to_say(None, num_classes, "its classes_")
        return Estimator(model, outputs)
    if callable(model) and not isinstance(model, type):
        return Function(model, outputs, num_classes=num_classes)
    raise _no_model(model)


def _named(name: str, outputs: str | None, num_classes: int | None) -> Target:
    if name.lower().endswith(".onnx"):
        return Onnx(name, outputs, num_classes=num_classes)
    if name.startswith(("http://", "https://")):
        return Endpoint(name, outputs, num_classes=num_classes)
    raise _no_model(name)


def _nothing_to_say(outputs: str | None, num_classes: int | None, where: str) -> None:
    if outputs is not None or num_classes is not None:
        raise InputError(f"the outputs of the model are stated in {where}: leave them out of wrap")


def _no_model(model: Any) -> InputError:
    got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
    return InputError(
        f"model must be a torch.nn.Module, built and with its weights loaded, or something that "
        f"answers: a function, a scikit-learn classifier, an ONNX or Keras model, a URL; got {got}"
    )
