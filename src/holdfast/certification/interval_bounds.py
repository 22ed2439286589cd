"""Interval bound propagation: bounds on a network's logits over a box of inputs.

Gowal et al., 2018, arXiv:1810.12715, sec. 3: a box goes through each layer as a box that contains
all images of its points. Fast and differentiable; loose for networks not trained for it.

A bound is sound only if each layer computes its rule, so a layer is known by its exact
type: a subclass may have a forward of its own, and a hook or a patched instance computes something
else than its class. Unknown layers are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as torch_module
from torch.nn.utils.parametrize import type_before_parametrizations

from holdfast.arguments import checked
from holdfast.errors import InputError, Unsupported
from holdfast.models.adapter import Model

Box = tuple[Tensor, Tensor]  # low and high, each (B, ...)

_HOOKS = ("forward_hooks", "forward_pre_hooks")  # as torch.nn.Module calls them, after a `_`


@checked
def logit_gaps(model: nn.Module, low: Tensor, high: Tensor, y: Tensor) -> Tensor:
    """Return (B, K): upper bounds of logit k minus logit y over the box [low, high]; 0 at y.

    model: a network of `nn.Sequential`s whose last layer is linear, wrapped or not; a single logit
    z counts as the pair (0, z). low, high: (B, ...) in the model's range. An example is proven
    robust in the box if no other entry of its row exceeds 0. Bounds hold in real arithmetic:
    float32 rounding is not accounted for.

    The last layer is taken together with the difference, which is tighter than subtracting bounds.
    Differentiable in the weights. Raises Unsupported for a layer without a rule, and for one that
    may compute something else than its type does: a subclass, hooks, a forward set on the instance.
    """
    if not low.shape == high.shape or low.shape[:1] != y.shape:
        raise InputError(
            f"low, high and y must be of the same examples, got shapes {tuple(low.shape)}, "
            f"{tuple(high.shape)} and {tuple(y.shape)}"
        )
    layers = list(_layers(model))
    head = layers.pop() if layers else model
    if type_before_parametrizations(head) is not nn.Linear:
        raise Unsupported(f"bounds need a network that ends in nn.Linear, got {_name(head)}")
    _refuse_changed(head)
    box = (low, high)
    for layer in layers:
        box = _rule(layer)(layer, box)
    center, reach = _middle(box)
    weight, bias = _head(head)
    if center.dim() != 2 or weight.element_size() < 4:
        raise Unsupported(
            "bounds need one row of features before the last layer and weights of float32 or "
            f"float64, got shape {tuple(center.shape)} and {weight.dtype}"
        )
    rows = weight - weight[y][:, None]  # (B, K, H)
    gaps = torch.einsum("bkh,bh->bk", rows, center)
    gaps = gaps + torch.einsum("bkh,bh->bk", rows.abs(), reach)
    return gaps if bias is None else gaps + bias - bias[y][:, None]


def _head(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return weight (K, H) and bias (K,) of the last layer, those of logit 0 added to a single."""
    weight, bias = _weights(layer)
    if len(weight) == 1:
        weight = torch.cat([torch.zeros_like(weight), weight])
        bias = None if bias is None else torch.cat([torch.zeros_like(bias), bias])
    return weight, bias


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers in the order in which they run; a wrapper stands for its normalization."""
    kind = type(module)
    if kind is Model:
        _refuse_changed(module)
        yield module
        assert isinstance(module, Model)
        yield from _layers(module.module)
    elif isinstance(module, nn.Sequential) and _runs_in_order(kind):
        _refuse_changed(module)
        for child in module:
            yield from _layers(child)
    else:
        yield module


def _runs_in_order(kind: type[nn.Module]) -> bool:
    """Return True if a kind of Sequential has the forward and the order of `nn.Sequential`."""
    own = ("forward", "__iter__", "__call__", "_call_impl", "__getattr__")
    return all(getattr(kind, name, None) is getattr(nn.Sequential, name, None) for name in own)


def _refuse_changed(layer: nn.Module) -> None:
    """Raise Unsupported if a module may compute something else than its type does."""
    if "forward" in vars(layer):
        raise Unsupported(f"no bounds through {_name(layer)} with a forward set on the instance")
    if any(getattr(layer, f"_{kind}") or vars(torch_module)[f"_global_{kind}"] for kind in _HOOKS):
        raise Unsupported(
            f"no bounds through {_name(layer)} with forward hooks, which may change its "
            "computes: remove them; weight and spectral norm come without hooks in "
            "torch.nn.utils.parametrizations"
        )


def _middle(box: Box) -> Box:
    """Return center and reach of a box."""
    low, high = box
    return (high + low) / 2, (high - low) / 2


def _weights(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return weight and bias, read once: a parametrization may compute them anew at every look."""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    assert bias is None or isinstance(bias, Tensor)
    return weight, bias


def _normalized(model: Model, box: Box) -> Box:
    return model.normalized(box[0]), model.normalized(box[1])  # std > 0: the order is kept


def _linear(layer: nn.Linear, box: Box) -> Box:
    center, reach = _middle(box)
    weight, bias = _weights(layer)
    center, reach = F.linear(center, weight, bias), F.linear(reach, weight.abs())
    return center - reach, center + reach


def _conv(layer: nn.Conv2d, box: Box) -> Box:
    if layer.padding_mode != "zeros":
        raise Unsupported(f"bounds need zero padding, got padding_mode={layer.padding_mode!r}")
    center, reach = _middle(box)
    weight, bias = _weights(layer)

    def convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)

    center, reach = convolved(center, weight, bias), convolved(reach, weight.abs())
    return center - reach, center + reach


def _relu(_: nn.ReLU, box: Box) -> Box:
    return F.relu(box[0]), F.relu(box[1])  # never in place: the box may be the caller's


def _pooled(layer: nn.MaxPool2d | nn.AvgPool2d, box: Box) -> Box:
    if getattr(layer, "return_indices", False) or (getattr(layer, "divisor_override", 1) or 1) < 0:
        raise Unsupported(
            f"no bounds through {_name(layer)} that returns indices or divides by less than 0"
        )
    return _monotone(layer, box)


def _monotone(layer: nn.Module, box: Box) -> Box:
    """Serve every layer that never lowers an output when an input rises."""
    return layer(box[0]), layer(box[1])


_RULES: dict[type[nn.Module], Callable[..., Box]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv,
    nn.ReLU: _relu,
    nn.Flatten: _monotone,
    nn.Identity: _monotone,
    nn.AvgPool2d: _pooled,
    nn.MaxPool2d: _pooled,
}


def _rule(layer: nn.Module) -> Callable[..., Box]:
    kind = type_before_parametrizations(layer)
    if kind is Model:
        return _normalized
    rule = _RULES.get(kind)
    if rule is None:
        known = ", ".join(kind.__name__ for kind in _RULES)
        raise Unsupported(
            f"no bounds through {_name(layer)}: use a network of nn.Sequential with {known}"
        )
    _refuse_changed(layer)
    return rule


def _name(layer: nn.Module) -> str:
    return type(layer).__name__
