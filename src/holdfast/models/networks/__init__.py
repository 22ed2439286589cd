"""Reference networks: a frozen specification each, which is its own configuration."""

from holdfast.models.networks.base import Network as Network
from holdfast.models.networks.base import build_network as build_network
from holdfast.models.networks.mlp import MLP as MLP
from holdfast.models.networks.preactresnet import PreActResNet18 as PreActResNet18
from holdfast.models.networks.small_cnn import SmallCNN as SmallCNN
from holdfast.models.networks.stride_cnn import StrideCNN as StrideCNN
from holdfast.models.networks.wideresnet import WideResNet as WideResNet
