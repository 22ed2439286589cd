"""A classifier with a detector that may reject an input, as one model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.errors import InputError, in_one_line
from holdfast.inputs import check_pair, check_values
from holdfast.models.adapter import Model, answer, wrap
from holdfast.units import Inside


class Rejecting(Model):
    """Rejects x where `detector(x)` exceeds `threshold`; else answers as the classifier does.

    Returns logits (N, K + 1). The last is max_k z_k + scale * (detector(x) - threshold), the
    largest exactly where x is rejected; it has the gradient of the detector, for attacks that must
    evade it (after Carlini and Wagner, 2017, arXiv:1705.07263, sec. 3). detector: a module, from x
    in the classifier's range to (N,) or (N, 1), larger for more suspicious inputs. scale: logits
    for a unit of its score; no verdict depends on it, only how a search weighs the two.
    """

    @checked
    def __init__(
        self, classifier: nn.Module, detector: nn.Module, threshold: float, scale: float = 1.0
    ) -> None:
        inner = wrap(classifier)
        super().__init__(inner, None, None, inner.range)
        if not scale > 0:
            raise InputError(f"scale must be above 0, got {scale}")
        self.detector = detector
        self.threshold = float(threshold)
        self.scale = float(scale)

    @property
    def rejects(self) -> bool:
        return True

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, K + 1) of x (N, ...)."""
        logits: Tensor = self.module(x)
        over = suspicion(self.detector, x).to(logits.dtype) - self.threshold
        return torch.cat([logits, (logits.amax(1) + self.scale * over)[:, None]], 1)

    def around(self, module: nn.Module) -> Model:
        """Refuse: the detector has no low-precision twin of its own."""
        raise InputError("a model that rejects is searched in float32: leave precision out")

    def extra_repr(self) -> str:
        """Return the text that the digest of the model must cover."""
        return f"threshold={self.threshold}, scale={self.scale}"


@checked
def reject_at(
    classifier: nn.Module, detector: nn.Module, x: Tensor, share: Inside = 0.05
) -> Rejecting:
    """Return a model that rejects `share` of the inputs x (N, ...), which should be clean.

    Use a held-out set. The scale makes the detector's spread over x that of the winning logits.
    """
    model = wrap(classifier)
    check_pair(x, torch.zeros(x.shape[:1]))
    check_values(x, model.range)
    with torch.no_grad():
        scores, logits = suspicion(detector, x), model(x)
    threshold = float(scores.double().quantile(1 - share))
    gap = logits.topk(2, dim=1).values
    wide, narrow = float((gap[:, 0] - gap[:, 1]).std()), float(scores.std())
    scale = wide / narrow if wide > 0 and narrow > 0 else 1.0
    return Rejecting(classifier, detector, threshold, scale)


def suspicion(detector: nn.Module, x: Tensor) -> Tensor:
    """Return (N,): a detector's scores; InputError where it does not return one for each input."""
    try:
        scores: Any = answer(detector, x)
    except Exception as error:  # a user's network may raise anything
        raise InputError(
            f"the detector cannot take x {tuple(x.shape)}: {in_one_line(error)}"
        ) from error
    if not isinstance(scores, Tensor) or scores.shape not in ((len(x),), (len(x), 1)):
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InputError(f"a detector must return one score per example, (N,) or (N, 1), got {got}")
    return scores.reshape(len(x))
