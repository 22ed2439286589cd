"""Networks: any module behind one interface, reference networks, and a look at their habits."""

from holdfast.inputs import check_input
from holdfast.models.adapter import Model, as_logits, frozen, wrap
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

__all__ = [
    "MLP",
    "Finding",
    "Model",
    "Network",
    "PreActResNet18",
    "SmallCNN",
    "StrideCNN",
    "Verdict",
    "WideResNet",
    "as_logits",
    "build_network",
    "check_input",
    "check_logits",
    "count_classes",
    "frozen",
    "inspect",
    "load_state",
    "load_user_model",
    "load_weights",
    "logit_gaps",
    "wrap",
]
