"""A multilayer perceptron."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from holdfast.components import register
from holdfast.models.networks.base import Network
from holdfast.units import Width


@register("network", "mlp")
@dataclass(frozen=True, kw_only=True)
class MLP(Network):
    """A multilayer perceptron with rectifiers, for inputs of any shape."""

    hidden: tuple[Width, ...] = (256, 256)  # units of each hidden layer

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise((math.prod(input_shape), *self.hidden)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        last = self.hidden[-1] if self.hidden else math.prod(input_shape)
        return nn.Sequential(*layers, nn.Linear(last, num_classes))
