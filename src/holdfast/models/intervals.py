"""Interval bound propagation: what a network's logits can be anywhere in a box of inputs.

Gowal et al., 2018, arXiv:1810.12715, sec. 3: a box goes through each layer as a box that contains
all images of its points. Fast and differentiable; loose for networks not trained for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.errors import Unsupported
from holdfast.models.adapter import Model

Box = tuple[Tensor, Tensor]  # low and high, each (B, ...)


def logit_gaps(model: nn.Module, low: Tensor, high: Tensor, y: Tensor) -> Tensor:
    """Return (B, K): upper bounds of logit k minus logit y over the box [low, high]; 0 at y.

    model: a network of `nn.Sequential`s whose last layer is linear, wrapped or not. low, high:
    (B, ...) in the model's range. An example is proven robust in the box if no other entry of its
    row exceeds 0. Bounds hold in real arithmetic: float32 rounding is not accounted for.

    The last layer is taken together with the difference, which is tighter than subtracting bounds.
    Differentiable in the weights. Raises Unsupported for a layer without a rule.
    """
    *layers, head = _layers(model)
    if not isinstance(head, nn.Linear):
        raise Unsupported(f"bounds need a network that ends in nn.Linear, got {_name(head)}")
    box = _entering(model, low, high)
    for layer in layers:
        box = _rule(layer)(layer, box)
    center, reach = _middle(box)
    rows = head.weight - head.weight[y][:, None]  # (B, K, H)
    gaps = torch.einsum("bkh,bh->bk", rows, center)
    gaps = gaps + torch.einsum("bkh,bh->bk", rows.abs(), reach)
    return gaps if head.bias is None else gaps + head.bias - head.bias[y][:, None]


def _entering(model: nn.Module, low: Tensor, high: Tensor) -> Box:
    """Return the box behind the wrapper's normalisation, which keeps the order."""
    if isinstance(model, Model):
        return model.normalised(low), model.normalised(high)
    return low, high


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, Model):
        yield from _layers(module.module)
    elif isinstance(module, nn.Sequential):
        for child in module:
            yield from _layers(child)
    else:
        yield module


def _middle(box: Box) -> Box:
    """Return center and reach of a box."""
    low, high = box
    return (high + low) / 2, (high - low) / 2


def _linear(layer: nn.Linear, box: Box) -> Box:
    center, reach = _middle(box)
    center, reach = layer(center), F.linear(reach, layer.weight.abs())
    return center - reach, center + reach


def _conv(layer: nn.Conv2d, box: Box) -> Box:
    if layer.padding_mode != "zeros":
        raise Unsupported(f"bounds need zero padding, got padding_mode={layer.padding_mode!r}")
    center, reach = _middle(box)
    center, reach = (
        layer(center),
        F.conv2d(
            reach,
            layer.weight.abs(),
            None,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
        ),
    )
    return center - reach, center + reach


def _monotone(layer: nn.Module, box: Box) -> Box:
    """Serve every layer that never lowers an output when an input rises."""
    return layer(box[0]), layer(box[1])


_RULES: dict[type[nn.Module], Callable[..., Box]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.ReLU: _monotone,
    nn.Flatten: _monotone,
    nn.Identity: _monotone,
    nn.AvgPool2d: _monotone,
    nn.MaxPool2d: _monotone,
}


def _rule(layer: nn.Module) -> Callable[..., Box]:
    rule = _RULES.get(type(layer))
    if rule is None:
        known = ", ".join(kind.__name__ for kind in _RULES)
        raise Unsupported(
            f"no bounds through {_name(layer)}: use a network of nn.Sequential with {known}"
        )
    return rule


def _name(layer: nn.Module) -> str:
    return type(layer).__name__
