"""The small strided network on which fast adversarial training was shown."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from holdfast.components import register
from holdfast.models.networks.base import Network, image_shape
from holdfast.units import Width


@register("network", "stride_cnn")
@dataclass(frozen=True, kw_only=True)
class StrideCNN(Network):
    """Two 4x4 convolutions of stride 2, one hidden layer (Wong et al., 2020, on MNIST; 166k)."""

    width: Width = 16  # channels of the first convolution; the second has twice as many
    hidden: Width = 100  # units

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        channels, height, width = image_shape(self, input_shape, side=4)
        features = 2 * self.width * (height // 4) * (width // 4)
        return nn.Sequential(
            nn.Conv2d(channels, self.width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(self.width, 2 * self.width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(features, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, num_classes),
        )
