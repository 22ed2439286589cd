"""Labels of a classifier's own, and the columns of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.errors import InputError


def own_labels(classes: Sequence[Any], name: str) -> tuple[int, ...] | None:
    """Return the labels that the columns stand for, or None where data count the columns.

    classes: the classes in the order of the columns. Data have labels of 0, 1, 2, ...: so they can
    be meant by whole numbers of that kind alone. Of other classes (strings, say) data count the
    columns; InputError where a label could be a class and the number of another one's column.
    """
    whole = {k: int(c) for k, c in enumerate(classes) if _is_whole(c)}
    if all(k == label for k, label in whole.items() if 0 <= label < len(classes)) and (
        len(whole) < len(classes) or min(whole.values()) < 0 or max(whole.values()) < len(classes)
    ):
        return None
    if len(whole) < len(classes) or min(whole.values()) < 0:
        shown = ", ".join(str(c) for c in classes[:6])
        raise InputError(
            f"the classes of {name} are {shown}, and a label of the data could mean a class or a "
            "column: number the classes from 0 and fit again, or give a function that returns the "
            "scores"
        )
    return tuple(whole[k] for k in range(len(classes)))


def columns_of(answer: Any, classes: Sequence[Any], name: str) -> NDArray[np.int64]:
    """Return (N,): the columns of the classes in a target's answer, in any order."""
    values = np.asarray(answer)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(
            f"{name} must return one label per example, got shape {values.shape}: several labels "
            "an example are not attacked"
        )
    column = {label: k for k, label in enumerate(classes)}
    unknown = next((label for label in values.tolist() if label not in column), None)
    if unknown is not None:
        raise InputError(f"{name} returns the label {unknown!r}, which is none of its classes")
    return np.array([column[label] for label in values.tolist()], dtype=np.int64)


def _is_whole(label: Any) -> bool:
    return (
        isinstance(label, bool | int | float | np.number | np.bool_) and float(label).is_integer()
    )
