"""Targets outside of PyTorch: anything that answers with scores or labels can be attacked."""

from holdfast.models.targets.base import BlackBox, Target
from holdfast.models.targets.choice import target_of
from holdfast.models.targets.endpoint import Endpoint
from holdfast.models.targets.estimator import Estimator
from holdfast.models.targets.function import Function
from holdfast.models.targets.keras import KerasModel, KerasNetwork
from holdfast.models.targets.onnx import Onnx
from holdfast.models.targets.outputs import Logarithm

__all__ = [
    "BlackBox",
    "Endpoint",
    "Estimator",
    "Function",
    "KerasModel",
    "KerasNetwork",
    "Logarithm",
    "Onnx",
    "Target",
    "target_of",
]
