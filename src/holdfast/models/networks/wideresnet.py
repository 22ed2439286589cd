"""The wide residual network of the strongest published defenses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from holdfast.components import register
from holdfast.errors import ConfigError
from holdfast.models.networks.base import Network, image_shape
from holdfast.models.networks.residual import PreActResNet
from holdfast.units import Depth, Width


@register("network", "wideresnet")
@dataclass(frozen=True, kw_only=True)
class WideResNet(Network):
    """WRN-depth-widen (Zagoruyko and Komodakis, 2016, arXiv:1605.07146); 36.5M weights at 28-10."""

    depth: Depth = 28  # 6n + 4 convolutions
    widen: Width = 10  # times 16, 32 and 64 channels

    def __post_init__(self) -> None:
        if self.depth < 10 or (self.depth - 4) % 6:
            raise ConfigError(f"depth must be 6n + 4 (10, 16, 22, 28, 34, ...), got {self.depth}")

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        channels, _, _ = image_shape(self, input_shape, side=4)
        widths = (16, 16 * self.widen, 32 * self.widen, 64 * self.widen)
        blocks = (self.depth - 4) // 6
        net = PreActResNet(channels, widths, strides=(1, 2, 2), blocks=blocks, out=num_classes)
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(net.head.bias)
        return net
