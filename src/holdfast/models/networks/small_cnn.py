"""A small convolutional network with pooling."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from holdfast.components import register
from holdfast.models.networks.base import Network, image_shape
from holdfast.units import Width


@register("network", "small_cnn")
@dataclass(frozen=True, kw_only=True)
class SmallCNN(Network):
    """Four 3x3 convolutions, two poolings, one hidden layer (after Zhang et al., 2019, sec. 5.3.1).

    Unlike theirs it pads, so that 8x8 images fit, and has neither dropout nor a third dense layer.
    """

    width: Width = 32  # channels of the first two convolutions; the others have twice as many
    hidden: Width = 200  # units

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        channels, height, width = image_shape(self, input_shape, side=4)
        features = 2 * self.width * (height // 4) * (width // 4)
        return nn.Sequential(
            *_convolution(channels, self.width),
            *_convolution(self.width, self.width),
            nn.MaxPool2d(2),
            *_convolution(self.width, 2 * self.width),
            *_convolution(2 * self.width, 2 * self.width),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(features, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, num_classes),
        )


def _convolution(before: int, after: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, padding=1), nn.ReLU()
