"""A scikit-learn classifier as a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import InputError
from holdfast.models.targets.base import Target
from holdfast.models.targets.outputs import checked_outputs

_METHODS = {"logits": "decision_function", "probabilities": "predict_proba", "labels": "predict"}


class Estimator(Target):
    """A fitted classifier in the manner of scikit-learn; inputs are flattened to (N, D).

    outputs: "logits" asks `decision_function`, "probabilities" `predict_proba`, "labels" `predict`;
    None: the first of these that it has. Class k is entry k of its `classes_`. What it learned has
    no digest that would be both exact and read without running code: its name and its parameters
    have, and the logits on a claim's probes are compared.
    """

    def __init__(self, estimator: Any, outputs: str | None = None) -> None:
        classes = getattr(estimator, "classes_", None)
        if classes is None or np.ndim(classes) != 1:
            raise InputError(
                f"{type(estimator).__name__} has no classes_: fit it first; it must be a "
                "classifier with one label per example"
            )
        has = [key for key, method in _METHODS.items() if hasattr(estimator, method)]
        self.outputs = checked_outputs(outputs or next(iter(has), None), type(estimator).__name__)
        if self.outputs not in has:
            raise InputError(
                f"{type(estimator).__name__} has no {_METHODS[self.outputs]}: say one of "
                f"outputs={', '.join(map(repr, has))}"
            )
        self.estimator = estimator
        self.classes = np.asarray(classes)
        self.num_classes = len(self.classes)

    def ask(self, x: NDArray[Any]) -> Any:
        answer = getattr(self.estimator, _METHODS[self.outputs])(x.reshape(len(x), -1))
        return np.searchsorted(self.classes, answer) if self.outputs == "labels" else answer

    @property
    def name(self) -> str:
        return f"{type(self.estimator).__name__} of scikit-learn"

    def settings(self) -> str:
        return f"scikit-learn {' '.join(repr(self.estimator).split())}"
