"""The residual network of most CIFAR-10 papers on adversarial training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from holdfast.components import register
from holdfast.models.networks.base import Network, image_shape
from holdfast.models.networks.residual import PreActResNet
from holdfast.units import Width


@register("network", "preactresnet18")
@dataclass(frozen=True, kw_only=True)
class PreActResNet18(Network):
    """PreActResNet-18 for small images (He et al., 2016, arXiv:1603.05027); 11.2M weights."""

    width: Width = 64  # channels of the first stage; each further stage doubles them

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        channels, _, _ = image_shape(self, input_shape, side=4)
        widths = (self.width, self.width, 2 * self.width, 4 * self.width, 8 * self.width)
        return PreActResNet(channels, widths, strides=(1, 2, 2, 2), blocks=2, out=num_classes)
