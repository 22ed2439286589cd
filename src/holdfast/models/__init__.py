"""Networks: any module behind one interface, reference networks, and a look at their habits."""

from holdfast.inputs import check_input
from holdfast.models.adapter import Model, as_logits, frozen, wrap
from holdfast.models.diagnostics.finding import Finding, Verdict
from holdfast.models.diagnostics.inspection import check_logits, count_classes, inspect
from holdfast.models.foreign import load_state, load_user_model, load_weights
from holdfast.models.networks import (
    MLP,
    Network,
    PreActResNet18,
    SmallCNN,
    StrideCNN,
    WideResNet,
    build_network,
)
from holdfast.models.targets import (
    BlackBox,
    Endpoint,
    Estimator,
    Function,
    KerasModel,
    Onnx,
    Target,
)
from holdfast.models.wrappers.bpda import StraightThrough, bpda, imitate
from holdfast.models.wrappers.detector import Rejecting, reject_at
from holdfast.models.wrappers.ensemble import MeanLogits, MeanLosses, MeanProbabilities
from holdfast.models.wrappers.randomized import Draws, Transformed
from holdfast.models.wrappers.transforms import (
    Defocused,
    Lit,
    Printed,
    Resized,
    Rotated,
    Shifted,
    Tilted,
    Transform,
)

__all__ = [
    "MLP",
    "BlackBox",
    "Defocused",
    "Draws",
    "Endpoint",
    "Estimator",
    "Finding",
    "Function",
    "KerasModel",
    "Lit",
    "MeanLogits",
    "MeanLosses",
    "MeanProbabilities",
    "Model",
    "Network",
    "Onnx",
    "PreActResNet18",
    "Printed",
    "Rejecting",
    "Resized",
    "Rotated",
    "Shifted",
    "SmallCNN",
    "StraightThrough",
    "StrideCNN",
    "Target",
    "Tilted",
    "Transform",
    "Transformed",
    "Verdict",
    "WideResNet",
    "as_logits",
    "bpda",
    "build_network",
    "check_input",
    "check_logits",
    "count_classes",
    "frozen",
    "imitate",
    "inspect",
    "load_state",
    "load_user_model",
    "load_weights",
    "reject_at",
    "wrap",
]
