"""Make any classifier look the same: inputs in a stated range, logits (N, K) out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.context import ask
from holdfast.copying import copied
from holdfast.errors import InputError
from holdfast.models.normalization import Channel, per_channel, statistics
from holdfast.models.pixel_values import ByName, by_name
from holdfast.models.targets.base import BlackBox
from holdfast.models.targets.choice import target_of
from holdfast.models.targets.keras import KerasNetwork, is_keras
from holdfast.models.targets.outputs import Logarithm, checked_outputs
from holdfast.outline import LONG
from holdfast.printable import printable, shortened
from holdfast.units import Bounds, Count

UNIT = (0.0, 1.0)
_LONG_NUMBER = re.compile(r"\d+\.\d{7,}(e-?\d+)?")
_RECURRENT = ("RNN", "GRU", "LSTM")
_EXACT = (torch.float32, torch.float64)  # of logits
_CAST = (torch.float16, torch.bfloat16, torch.float64)  # of weights: inputs come in float32


class Model(nn.Module):
    """A network with its normalization inside: takes x in `range`, returns logits (N, K).

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
        range: Bounds = UNIT,
    ) -> None:
        super().__init__()
        self.module = module
        self.range = range
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, K), float32 or float64, of inputs (N, ...) in `range`.

        A network whose weights are float16, bfloat16 or float64 gets its inputs in that type.
        """
        return as_logits(ask(self.module, self.normalized(x)), len(x))

    def normalized(self, x: Tensor) -> Tensor:
        """Return the input of the network itself for x (N, ...), which it may write on."""
        given = x.clone() if self.mean is None else _standardized(x, self.mean, self.std)
        weights = next(self.module.parameters(), given)
        return given.to(weights.dtype) if weights.dtype in _CAST else given

    @property
    def offers(self) -> str:
        """Return the knowledge that the network can answer to: a black box has no gradient."""
        return "gradient" if self.box is None else self.box.offers

    @property
    def box(self) -> BlackBox | None:
        """Return the black box inside, None for a network of PyTorch's."""
        inner = self.module.box if isinstance(self.module, Model) else self.module
        return inner if isinstance(inner, BlackBox) else None

    @property
    def labels(self) -> tuple[int, ...] | None:
        """Return the labels that the logits stand for, or None: logit k is that of label k."""
        return None if self.box is None else self.box.target.labels

    @property
    def rejects(self) -> bool:
        """True if the last logit is a score to reject an input by, and no class."""
        return isinstance(self.module, Model) and self.module.rejects

    @property
    def title(self) -> str:
        """Return the name of the network in claims."""
        inner = self.module
        while isinstance(inner, Logarithm | ByName):
            inner = inner.module
        if isinstance(inner, BlackBox | KerasNetwork):
            return inner.title
        return type(inner).__name__

    @property
    def network(self) -> nn.Module:
        """Return the user's own network, without the wrapping of `wrap`."""
        inner = self.module
        while isinstance(inner, Logarithm | KerasNetwork | ByName):
            inner = inner.module
        return inner

    def around(self, module: nn.Module) -> Model:
        """Return the same normalization and range around another network (a low-precision twin)."""
        return Model(module, self.mean, self.std, self.range)

    def __repr__(self) -> str:
        """Return one line about the wrapper; its `module` prints layer by layer."""
        inner = self
        while isinstance(inner.module, Model):
            inner = inner.module
        count = sum(parameter.numel() for parameter in self.parameters())
        settings = _LONG_NUMBER.sub(lambda n: f"{float(n[0]):.6g}", self.extra_repr())
        named = f"{type(self).__name__} of {printable(inner.title)}"
        return f"<{named}: {count:,} parameters, {shortened(printable(settings), LONG)}>"

    def extra_repr(self) -> str:
        """Show the range and the statistics, which `nn.Module` would leave out."""
        if self.mean is None or self.std is None:
            return f"range={self.range}"
        return f"range={self.range}, mean={self.mean.tolist()}, std={self.std.tolist()}"


@checked
def wrap(
    model: Any,
    normalize: tuple[Channel, Channel] | None = None,
    range: Bounds = UNIT,
    *,
    outputs: str | None = None,
    num_classes: Count | None = None,
) -> Model:
    """Wrap a network so that it takes x in `range` and returns logits (N, K).

    `normalize=(mean, std)` is applied inside, in the units of `range`; each is one number, one per
    channel, or shaped like one example. The network may return logits (N, K), one logit (N,) or
    (N, 1) (which becomes the pair (0, z)), an object with `.logits`, or a dict with "logits". One
    that has an argument `pixel_values` gets its inputs by that name. A wrapped model is returned as
    it is.

    Anything but a `torch.nn.Module` is asked as a black box, without a gradient: a function of
    arrays, a scikit-learn classifier, an ONNX file or session, a Keras model, a URL, or one of the
    targets of `holdfast.models`. outputs: kind of its outputs, "logits", "probabilities" (their
    logarithms are the logits) or "labels"; a scikit-learn classifier says so itself. num_classes:
    K, where only labels come back. Raises InputError for anything else.
    """
    if isinstance(model, Model):
        said = outputs is not None or num_classes is not None
        _refuse_rewrapping(model, normalize, range, said=said)
        return model
    mean, std = statistics(normalize)
    return Model(_module_of(model, outputs, num_classes), mean, std, range)


def _module_of(model: Any, outputs: str | None, num_classes: int | None) -> nn.Module:
    """Return a network as it is, or with the logarithms of its probabilities, or a black box."""
    if not isinstance(model, nn.Module):
        return BlackBox(target_of(model, outputs, num_classes))
    if checked_outputs(outputs or "logits") == "labels":
        raise InputError(
            "a network of PyTorch's returns scores: to hide them from the attacker, state "
            "knowledge='decision' in the threat model"
        )
    model = differentiable(model)
    module = KerasNetwork(model) if is_keras(model) else ByName(model) if by_name(model) else model
    return Logarithm(module) if outputs == "probabilities" else module


def differentiable(network: nn.Module) -> nn.Module:
    """Return a network as it is, or a copy of one made in inference mode: it has no gradients."""
    made = any(part.is_inference() for part in (*network.parameters(), *network.buffers()))
    return copied(network) if made else network


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Hold a model still: eval mode and no gradients to its parameters; restore both on leaving.

    Re-entrant, and cheap enough for every training step. Flags are set directly, not through
    `train()`, so that a network which overrides `train` is given back exactly as it was. The
    parameters' `.grad` is neither read nor written. With a recurrent layer, cuDNN is off: it has no
    backward pass for one in eval mode.
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
        with _differentiable(modes):
            yield
    finally:
        for module, training in modes:
            if module.training != training:  # to set it takes far longer than to look
                module.training = training
        for parameter, required in flags:
            if parameter.requires_grad != required:
                parameter.requires_grad_(required)


@contextmanager
def _differentiable(modes: list[tuple[nn.Module, bool]]) -> Iterator[None]:
    """Do without cuDNN where there is a recurrent layer."""
    before = torch.backends.cudnn.enabled
    if not (before and any(_is_recurrent(module) for module, _ in modes)):
        yield
        return
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


def _is_recurrent(module: nn.Module) -> bool:
    """Return True for a recurrent layer, also in TorchScript, which only keeps its name."""
    return isinstance(module, nn.RNNBase) or getattr(module, "original_name", "") in _RECURRENT


def answer(network: Callable[[Tensor], Any], x: Tensor) -> Any:
    """Return the output of a network for a copy of x (N, ...), which it may overwrite."""
    return network(x) if isinstance(network, Model) else ask(network, x.clone())


def _standardized(x: Tensor, mean: Tensor, std: Tensor | None) -> Tensor:
    centered = x - per_channel(mean, x)
    return centered if std is None else centered / per_channel(std, x)


def as_logits(output: Any, n: int) -> Tensor:
    """Return the outputs of a network for n examples as logits (n, K) in float32 or float64."""
    plain = isinstance(output, Tensor) and output.ndim == 2 and output.dtype in _EXACT
    if not (plain and len(output) == n and output.shape[1] > 1):
        output = _converted(_unwrap(output), n)
    logits: Tensor = output if output.requires_grad else output.clone()
    return logits  # of its own: a network may use its output again


def _converted(logits: Tensor, n: int) -> Tensor:
    """Return logits of fewer bits as float32, and a single one of each example as the pair (0, z).

    Raises InputError for outputs that are no scores, or not of n examples.
    """
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
        logits = torch.stack((torch.zeros_like(z), z), dim=1)
    return logits


def _unwrap(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    named = isinstance(output, Mapping)
    inner = output.get("logits") if named else getattr(output, "logits", None)
    if isinstance(inner, Tensor):
        return inner
    raise InputError(
        f"the model must return a tensor, an object with .logits or a dict with 'logits', "
        f"got {type(output).__name__}: return the logits alone"
    )


def _refuse_rewrapping(
    model: Model,
    normalize: tuple[Channel, Channel] | None,
    range: tuple[float, float],
    *,
    said: bool,
) -> None:
    if said or normalize is not None or tuple(range) not in (UNIT, model.range):
        raise InputError(
            f"the model is wrapped already, with range {model.range}: "
            "wrap model.module to change its normalization, its range or its outputs"
        )
