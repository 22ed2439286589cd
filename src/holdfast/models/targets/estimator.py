"""A scikit-learn classifier as a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.arguments import checked
from holdfast.errors import InputError
from holdfast.models.targets.base import Target
from holdfast.models.targets.class_labels import columns_of, own_labels
from holdfast.models.targets.outputs import checked_outputs, scores_of

_METHODS = {"logits": "decision_function", "probabilities": "predict_proba", "labels": "predict"}
_COMPARED = 32  # examples on which the scores are held against `predict`


class Estimator(Target):
    """A fitted classifier in the manner of scikit-learn; inputs are flattened to (N, D).

    outputs: "logits" asks `decision_function`, "probabilities" `predict_proba`, "labels" `predict`;
    None: the first of these that it has. Column k stands for entry k of its `classes_`: where these
    are whole numbers, the data's labels are meant by them, else (strings, say) they count columns.
    Its fitted state has no digest that is both exact and read without running code: its name
    and its parameters have, and the logits on a claim's probes are compared.
    """

    @checked
    def __init__(self, estimator: Any, outputs: str | None = None) -> None:
        self.classes = _classes(estimator)
        has = [key for key, method in _METHODS.items() if hasattr(estimator, method)]
        self.outputs = checked_outputs(outputs or next(iter(has), None), type(estimator).__name__)
        if self.outputs not in has:
            raise InputError(
                f"{type(estimator).__name__} has no {_METHODS[self.outputs]}: say one of "
                f"outputs={', '.join(map(repr, has))}"
            )
        self.estimator = estimator
        self.num_classes = len(self.classes)
        self.labels = own_labels(self.classes, type(estimator).__name__)
        self._compared = self._differing = 0

    def ask(self, x: NDArray[Any]) -> Any:
        x = x.reshape(len(x), -1)
        answer = getattr(self.estimator, _METHODS[self.outputs])(x)
        if self.outputs == "labels":
            return columns_of(answer, self.classes, self.name)
        if self._compared < _COMPARED and hasattr(self.estimator, "predict"):
            self._compare(x[:_COMPARED], np.asarray(answer)[:_COMPARED])
        return answer

    def _compare(self, x: NDArray[Any], answer: NDArray[Any]) -> None:
        """Hold the largest scores against `predict`; InputError where they are not its columns.

        A few may differ (the votes of an SVC): columns in another order differ on most.
        """
        predicted = columns_of(self.estimator.predict(x), self.classes, self.name)
        largest = scores_of(answer, self.outputs, len(x), self.num_classes).argmax(1)
        self._compared += len(x)
        self._differing += int((largest != predicted).sum())
        if self._differing > 1 + self._compared / 4:
            raise InputError(
                f"the largest score of {self.name} is another class than it predicts on "
                f"{self._differing} of {self._compared} examples: say outputs='labels' (an SVC has "
                "one column a class with decision_function_shape='ovr')"
            )

    @property
    def name(self) -> str:
        return f"{type(self.estimator).__name__} of scikit-learn"

    def settings(self) -> str:
        return f"scikit-learn {' '.join(repr(self.estimator).split())}"


def _classes(estimator: Any) -> list[Any]:
    """Return the classes in the order of the columns; InputError unless it is fitted.

    Several outputs have a list of classes each.
    """
    classes: Any = getattr(estimator, "classes_", ())
    if len(classes) < 2 or any(np.ndim(label) for label in classes):
        raise InputError(
            f"{type(estimator).__name__} has no classes_: fit it first; it must be a "
            "classifier with one label per example, of two classes or more"
        )
    return list(np.asarray(classes).tolist())
