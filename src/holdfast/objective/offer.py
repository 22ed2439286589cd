"""The knowledge that a model can answer to, whatever the threat model permits."""

from __future__ import annotations

from torch import nn

from holdfast.models.adapter import Model
from holdfast.models.targets import BlackBox
from holdfast.threat import Knowledge

_GIVES = {
    Knowledge.GRADIENT: "scores and gradients",
    Knowledge.SCORE: "scores and no gradient",
    Knowledge.DECISION: "labels alone",
}


def offered(model: nn.Module) -> Knowledge:
    """Return what a model can answer to at most: a black box has no gradient, perhaps no scores."""
    if isinstance(model, Model | BlackBox):
        return Knowledge(model.offers)
    return Knowledge.GRADIENT


def refusal(model: nn.Module) -> str:
    """Return in words what a model gives."""
    return f"the model gives {_GIVES[offered(model)]}"
