"""Make any classifier look the same: inputs in a stated range, logits (N, K) out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.errors import InputError

Channel = float | Sequence[float] | Tensor
"""One number, or one per channel."""

UNIT = (0.0, 1.0)


class Model(nn.Module):
    """A network with its normalisation inside: takes x in `range`, returns logits (N, K).

    Made by `wrap`. The statistics are buffers that move with the module but stay out of its state
    dict. Attributes: `module` the user's network; `mean` and `std` (), (C,) or shaped like one
    example, or None; `range` (low, high) of the inputs.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        module: nn.Module,
        mean: Tensor | None = None,
        std: Tensor | None = None,
        range: tuple[float, float] = UNIT,
    ) -> None:
        super().__init__()
        self.module = module
        self.range = range
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, K), float32 or float64, of inputs (N, ...) in `range`.

        A network whose weights are float16 or bfloat16 gets its inputs in that type.
        """
        x = self.normalised(x)
        weights = next(self.module.parameters(), None)
        if weights is not None and weights.dtype in (torch.float16, torch.bfloat16):
            x = x.to(weights.dtype)
        return as_logits(self.module(x), len(x))

    def normalised(self, x: Tensor) -> Tensor:
        """Return what the network itself is given for x (N, ...)."""
        if self.mean is None or self.std is None:
            return x
        return (x - _per_channel(self.mean, x)) / _per_channel(self.std, x)

    def around(self, module: nn.Module) -> Model:
        """Return the same normalisation and range around another network (a low-precision twin)."""
        return Model(module, self.mean, self.std, self.range)

    def extra_repr(self) -> str:
        """Show the range and the statistics, which `nn.Module` would leave out."""
        if self.mean is None or self.std is None:
            return f"range={self.range}"
        return f"range={self.range}, mean={self.mean.tolist()}, std={self.std.tolist()}"


def wrap(
    model: nn.Module,
    normalize: tuple[Channel, Channel] | None = None,
    range: tuple[float, float] = UNIT,
) -> Model:
    """Wrap a network so that it takes x in `range` and returns logits (N, K).

    `normalize=(mean, std)` is applied inside, in the units of `range`; each is one number, one per
    channel, or shaped like one example. The network may return logits (N, K), one logit (N,) or
    (N, 1) (which becomes the pair (0, z)), an object with `.logits`, or a dict with "logits". A
    wrapped model is returned as it is. Raises InputError for anything else.
    """
    if isinstance(model, Model):
        _refuse_rewrapping(model, normalize, range)
        return model
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model must be a torch.nn.Module, got {type(model).__name__}: "
            "pass the network itself, built and with its weights loaded"
        )
    mean, std = _statistics(normalize)
    return Model(model, mean, std, _valid_range(range))


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Hold a model still: eval mode and no gradients to its parameters; restore both on leaving.

    Re-entrant, and cheap enough for every training step. Flags are set directly, not through
    `train()`, so that a network which overrides `train` is given back exactly as it was. The
    parameters' `.grad` is neither read nor written.
    """
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        for module, training in modes:
            if training:
                module.training = False
        for parameter, required in flags:
            if required:
                parameter.requires_grad_(False)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, required in flags:
            if parameter.requires_grad != required:
                parameter.requires_grad_(required)


def as_logits(output: Any, n: int) -> Tensor:
    """Return what a network gave for n examples as logits (n, K) in float32 or float64."""
    logits = _unwrap(output)
    if not logits.is_floating_point():
        raise InputError(
            f"the model must return float logits, got {logits.dtype}: "
            "return the scores before argmax or thresholding"
        )
    if logits.dim() == 0 or len(logits) != n or logits.dim() > 2 or 0 in logits.shape[1:]:
        raise InputError(
            f"the model must return logits (N, K), (N,) or (N, 1), got shape "
            f"{tuple(logits.shape)} for N={n}: flatten or pool to one row of K scores per example"
        )
    if logits.element_size() < 4:
        logits = logits.float()
    if logits.dim() == 1 or logits.shape[1] == 1:
        z = logits.reshape(n)
        return torch.stack((torch.zeros_like(z), z), dim=1)
    return logits


def _unwrap(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    inner = output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)
    if isinstance(inner, Tensor):
        return inner
    raise InputError(
        f"the model must return a tensor, an object with .logits or a dict with 'logits', "
        f"got {type(output).__name__}: return the logits alone"
    )


def _per_channel(statistic: Tensor, x: Tensor) -> Tensor:
    """Shape a statistic so that it broadcasts over a batch (N, C, ...)."""
    if statistic.dim() == 0:
        return statistic
    if statistic.dim() == 1:
        statistic = statistic.view(-1, *[1] * (x.dim() - 2))
    if statistic.shape[0] != x.shape[1]:
        raise InputError(
            f"normalize has {statistic.shape[0]} channels, got inputs of shape "
            f"{tuple(x.shape)}: give one number, or one per channel of x (N, C, ...)"
        )
    return statistic


def _statistics(normalize: tuple[Channel, Channel] | None) -> tuple[Tensor | None, Tensor | None]:
    if normalize is None:
        return None, None
    try:
        mean, std = (torch.as_tensor(statistic).detach().float().clone() for statistic in normalize)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"normalize must be a pair (mean, std) of numbers, one or one per channel, "
            f"got {normalize!r}"
        ) from error
    if not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise InputError(
            f"normalize needs finite means and std > 0, "
            f"got mean {mean.tolist()} and std {std.tolist()}: check their order (mean, std)"
        )
    if mean.dim() and std.dim() and mean.shape != std.shape:
        raise InputError(
            f"normalize needs a mean and a std of the same length, "
            f"got shapes {tuple(mean.shape)} and {tuple(std.shape)}"
        )
    return mean, std


def _valid_range(range: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in range)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise InputError(f"range must be (low, high) with low < high, got {range!r}")
    return low, high


def _refuse_rewrapping(
    model: Model, normalize: tuple[Channel, Channel] | None, range: tuple[float, float]
) -> None:
    if normalize is not None or tuple(range) not in (UNIT, model.range):
        raise InputError(
            f"the model is wrapped already, with range {model.range}: "
            "wrap model.module to change its normalisation or range"
        )
