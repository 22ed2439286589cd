"""Reference networks: a frozen specification each, which is its own configuration."""

from holdfast.models.networks.base import Network, build_network
from holdfast.models.networks.mlp import MLP
from holdfast.models.networks.preactresnet import PreActResNet18
from holdfast.models.networks.small_cnn import SmallCNN
from holdfast.models.networks.stride_cnn import StrideCNN
from holdfast.models.networks.wideresnet import WideResNet

__all__ = [
    "MLP",
    "Network",
    "PreActResNet18",
    "SmallCNN",
    "StrideCNN",
    "WideResNet",
    "build_network",
]
