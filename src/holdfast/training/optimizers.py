"""Optimizers as plain data; weight decay spares norm layers and biases (Gowal et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from holdfast.arguments import foreign
from holdfast.components import register
from holdfast.errors import ConfigError
from holdfast.units import Decay, Rate, WeightDecay

NORMS = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001  batch and instance norm share no public base
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
)


class Optimizer:
    """The interface of every optimizer; subclasses are frozen dataclasses with `lr`."""

    kind: ClassVar[str] = "optimizer"
    lr: float

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for an optimizer of PyTorch's, which has its parameters."""
        lr = getattr(value, "defaults", {}).get("lr", 0.1)
        names = {"sgd": f"SGD(lr={lr})", "adam": f"Adam(lr={lr})", "adamw": f"AdamW(lr={lr})"}
        return foreign(value, names)

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """Return the torch optimizer for a module's trainable parameters."""
        raise NotImplementedError


@register("optimizer", name="sgd")
@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum."""

    lr: Rate = 0.1  # at the peak of the schedule
    momentum: Decay = 0.9
    nesterov: bool = False  # whether the gradient is taken where momentum leads
    weight_decay: WeightDecay = 5e-4  # on weights alone, not on norm layers and biases

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise ConfigError("sgd.nesterov needs momentum, got momentum=0: set momentum=0.9")

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        groups = weight_decay_groups(module, self.weight_decay)
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov)


@register("optimizer")
@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015, arXiv:1412.6980), weight decay added to the gradient."""

    lr: Rate = 1e-3  # at the peak of the schedule
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    weight_decay: WeightDecay = 0.0  # on weights alone, not on norm layers and biases

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        groups = weight_decay_groups(module, self.weight_decay)
        return torch.optim.Adam(groups, lr=self.lr, betas=(self.beta1, self.beta2))


@register("optimizer", name="adamw")
@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer):
    """Adam whose weight decay is a step of its own (Loshchilov and Hutter, 2019, arXiv:1711.05101).

    The usual optimizer of transformers.
    """

    lr: Rate = 1e-3  # at the peak of the schedule
    beta1: Decay = 0.9
    beta2: Decay = 0.999
    weight_decay: WeightDecay = 0.01  # times the learning rate; not on norm layers and biases

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        groups = weight_decay_groups(module, self.weight_decay)
        return torch.optim.AdamW(groups, lr=self.lr, betas=(self.beta1, self.beta2))


def weight_decay_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split the trainable parameters into those that decay and those that do not, in module order.

    Parameters of norm layers, biases, and anything with fewer than two dimensions do not decay.
    """
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    seen: set[int] = set()
    for layer in module.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if id(parameter) in seen or not parameter.requires_grad:
                continue
            seen.add(id(parameter))
            spare = isinstance(layer, NORMS) or name.endswith("bias") or parameter.dim() < 2
            (spared if spare else decayed).append(parameter)
    if not seen:
        raise ConfigError("the network has no trainable parameters: set requires_grad on some")
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set one learning rate for every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr
