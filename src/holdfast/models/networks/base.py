"""Network specifications, and the modules built from them."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from holdfast.arguments import checked
from holdfast.components import build
from holdfast.errors import InputError
from holdfast.units import Count, Seed


class Network:
    """A network's specification; subclasses are frozen dataclasses that can be stored as JSON."""

    kind: ClassVar[str] = "network"

    def build(self, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        """Return a freshly initialized module for examples of `input_shape`, logits (N, K) out."""
        raise NotImplementedError


@checked
def build_network(
    spec: Network | nn.Module | dict[str, Any] | str,
    input_shape: tuple[int, ...],
    num_classes: Count,
    seed: Seed = 0,
) -> nn.Module:
    """Return the network that `spec` describes, in train mode, on the CPU.

    spec: a name ("mlp"), plain data ({"type": "mlp", "hidden": [64]}), a specification, or a module
    (returned as it is). input_shape: of one example, such as (C, H, W). The initial weights
    are float32 and a function of `seed`; no random state is touched. Raises ConfigError for an
    unknown name or field and InputError where the network does not fit the shape.
    """
    if isinstance(spec, nn.Module):
        return spec
    network: Network = build("network", spec)
    if num_classes < 2:
        raise InputError(f"num_classes must be at least 2, got {num_classes}")
    kind = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the GPUs as well
        try:
            torch.set_default_dtype(torch.float32)
            return network.build(tuple(input_shape), num_classes)
        finally:
            torch.set_default_dtype(kind)


def image_shape(network: Network, input_shape: tuple[int, ...], side: int) -> tuple[int, int, int]:
    """Return (C, H, W), or raise InputError for another shape, or if H or W is below `side`."""
    if len(input_shape) != 3 or min(input_shape[1:]) < side:
        raise InputError(
            f"{type(network).__name__} needs images (C, H, W) of at least {side}x{side}, "
            f"got shape {tuple(input_shape)}: use 'mlp' for other inputs"
        )
    channels, height, width = input_shape
    return channels, height, width
