"""Conversion of a target's stated outputs to logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from holdfast.errors import InputError, did_you_mean

OUTPUTS = ("logits", "probabilities", "labels")
LEAST = float(torch.finfo(torch.float32).tiny)  # a smaller probability counts as this one
_SUM_SLACK = 1e-3  # how far a row of probabilities may be from 1


def checked_outputs(outputs: str | None, name: str = "the target", seen: str = "") -> str:
    """Return the kind of a target's outputs; InputError where none is stated.

    seen: description of its outputs, for the message.
    """
    if outputs is None:
        say = f"state what {name} returns, it is not guessed{seen and f' ({seen})'}: "
        raise InputError(
            f"{say}hf.wrap(model, outputs='probabilities') after a softmax or sigmoid, "
            "outputs='logits' for other scores, or outputs='labels', num_classes=... for the "
            "predicted class alone",
            console=f"{say}--outputs probabilities after a softmax or sigmoid, --outputs logits "
            "for other scores; for labels alone, return hf.wrap(model, outputs='labels', "
            "num_classes=...) from the function of --model",
        )
    if outputs not in OUTPUTS:
        raise InputError(f"unknown outputs {outputs!r}{did_you_mean(str(outputs), OUTPUTS)}")
    return outputs


def scores_of(answer: Any, outputs: str, n: int, num_classes: int | None) -> NDArray[Any]:
    """Return (n, K) scores of an answer for n examples; InputError unless it is as stated.

    num_classes: K where it is known. Rows with NaN stay NaN.
    """
    values = answer.detach().cpu().numpy() if isinstance(answer, Tensor) else np.asarray(answer)
    if values.dtype.kind not in "fiub":
        raise InputError(f"the target must return numbers, got {values.dtype}")
    if values.ndim not in (1, 2) or len(values) != n or 0 in values.shape[1:]:
        raise InputError(
            f"the target must return one row or number per example, got shape {values.shape} "
            f"for {n} examples"
        )
    if outputs == "labels":
        return _from_labels(values, num_classes)
    if values.dtype.kind != "f":
        raise InputError(
            f"the target was said to return {outputs} and returns {values.dtype}: "
            "say outputs='labels'"
        )
    rows = _from_probabilities(values) if outputs == "probabilities" else _pair(values, 0.0)
    if num_classes is not None and rows.shape[1] != num_classes:
        raise InputError(
            f"the target returns {rows.shape[1]} scores for an example, {num_classes} were expected"
        )
    return rows


def _pair(values: NDArray[Any], other: Any) -> NDArray[Any]:
    """Return (n, K); one number per example becomes the pair (other, number)."""
    if values.ndim == 2 and values.shape[1] > 1:
        return values
    one = values.reshape(len(values))
    return np.stack([np.broadcast_to(other, one.shape), one], 1)


def _from_probabilities(values: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithms; that of 0 is finite."""
    values = values.astype(np.float64)
    rows = _pair(values, 1 - values.reshape(len(values), -1)[:, 0])
    outside = (rows < -_SUM_SLACK) | (rows > 1 + _SUM_SLACK)
    if outside.any() or (np.abs(rows.sum(1) - 1) > _SUM_SLACK).any():  # false for NaN
        raise InputError(
            "the target was said to return probabilities and its rows are none: they must lie in "
            "0..1 and add up to 1; say outputs='logits' if they are scores, and of a sigmoid a "
            "class return what goes into it"
        )
    return np.asarray(np.log(np.maximum(rows, LEAST)))


def _from_labels(values: NDArray[Any], num_classes: int | None) -> NDArray[Any]:
    """Return +1 for the class of each label and -1 for the others."""
    if values.ndim == 2 and values.shape[1] > 1:
        raise InputError(
            f"the target was said to return labels and returns {values.shape[1]} numbers for each "
            "example: say outputs='logits' or outputs='probabilities'"
        )
    if num_classes is None:
        raise InputError("labels alone do not tell how many classes there are: say num_classes=10")
    labels = values.reshape(len(values))
    if (labels != np.floor(labels)).any() or labels.min() < 0 or labels.max() >= num_classes:
        raise InputError(
            f"the target must return labels in 0..{num_classes - 1}, "
            f"got {labels.min():g} to {labels.max():g}"
        )
    return np.where(labels[:, None] == np.arange(num_classes), 1.0, -1.0)


class Logarithm(nn.Module):
    """A network that returns probabilities, made to return their logarithms; differentiable."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, K); InputError where the network returns no probabilities."""
        rows = self.module(x)
        if not isinstance(rows, Tensor) or rows.dim() not in (1, 2) or len(rows) != len(x):
            raise InputError("a network said to return probabilities must return a tensor (N, K)")
        if rows.element_size() < 4:
            rows = rows.float()  # half precision has no LEAST
        if rows.dim() == 1 or rows.shape[1] == 1:
            rows = torch.stack([1 - rows.reshape(-1), rows.reshape(-1)], 1)
        off = ((rows < -_SUM_SLACK) | ((rows.sum(1, keepdim=True) - 1).abs() > _SUM_SLACK)).any()
        if bool(off):
            raise InputError(
                "the network was said to return probabilities and its rows are none: leave outputs "
                "out if they are logits, and of a sigmoid a class return what goes into it"
            )
        return rows.clamp_min(LEAST).log()
