"""Targets outside of PyTorch: anything that answers with scores or labels can be attacked."""

from holdfast.models.targets.base import BlackBox as BlackBox
from holdfast.models.targets.base import Target as Target
from holdfast.models.targets.choice import target_of as target_of
from holdfast.models.targets.endpoint import Endpoint as Endpoint
from holdfast.models.targets.estimator import Estimator as Estimator
from holdfast.models.targets.function import Function as Function
from holdfast.models.targets.keras import KerasModel as KerasModel
from holdfast.models.targets.keras import KerasNetwork as KerasNetwork
from holdfast.models.targets.onnx import Onnx as Onnx
from holdfast.models.targets.outputs import Logarithm as Logarithm
