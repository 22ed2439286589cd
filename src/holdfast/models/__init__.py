"""Networks: any module behind one interface, reference networks, and a look at their habits."""

from holdfast.inputs import check_input
from holdfast.models.adapter import Model, as_logits, frozen, wrap
from holdfast.models.bpda import StraightThrough, bpda, imitate
from holdfast.models.draws import Draws, Transformed
from holdfast.models.ensemble import MeanLogits, MeanLosses, MeanProbabilities
from holdfast.models.finding import Finding, Verdict
from holdfast.models.foreign import load_state, load_user_model, load_weights
from holdfast.models.inspection import check_logits, count_classes, inspect
from holdfast.models.intervals import logit_gaps
from holdfast.models.networks import (
    MLP,
    Network,
    PreActResNet18,
    SmallCNN,
    StrideCNN,
    WideResNet,
    build_network,
)
from holdfast.models.rejecting import Rejecting, reject_at
from holdfast.models.targets import (
    BlackBox,
    Endpoint,
    Estimator,
    Function,
    KerasModel,
    Onnx,
    Target,
)
from holdfast.models.transforms import (
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
    "logit_gaps",
    "reject_at",
    "wrap",
]
