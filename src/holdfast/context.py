"""A context of the library's own around its public functions, whatever the caller has switched on.

Gradients are needed under `torch.no_grad` and in inference mode too, float32 is meant under
autocast and with another default type, and tensors belong where the model is. All of it is as it
was when the function returns or raises. Networks of the caller's still see the caller's defaults.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
V = TypeVar("V")


class Defaults(NamedTuple):
    """PyTorch's defaults for a tensor's type and device."""

    dtype: torch.dtype
    device: torch.device


OURS = Defaults(torch.float32, torch.device("cpu"))
AUTOCAST = ("cpu", "cuda")  # kinds of device

_inside: ContextVar[bool] = ContextVar("inside", default=False)
_caller: ContextVar[Defaults | None] = ContextVar("caller", default=None)  # None: they are ours


@contextmanager
def own_context() -> Iterator[None]:
    """Compute with gradients, without autocast and with PyTorch's own defaults; then restore.

    Re-entrant: inside, nothing more is changed.
    """
    if _inside.get():
        yield
        return
    found = _defaults()
    with ExitStack() as stack:
        stack.enter_context(_set(_inside, True))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if found != OURS:
            stack.enter_context(_set(_caller, found))
            stack.enter_context(_with(OURS))
        yield


def ask(network: Callable[[Tensor], T], x: Tensor) -> T:
    """Return the output of a network for x, which it may overwrite, in the caller's context.

    x: a tensor that nobody else has.
    """
    return network(x) if (found := _caller.get()) is None else _as_found(found, network, x)


def _as_found(found: Defaults, network: Callable[[Tensor], T], x: Tensor) -> T:
    with _with(found):
        return network(x)


def _defaults() -> Defaults:
    """Return the defaults in force.

    A new tensor tells the device: PyTorch 2.5 does not count `with torch.device(...)` as a default.
    """
    return Defaults(torch.get_default_dtype(), torch.empty(0).device)


@contextmanager
def _set(variable: ContextVar[V], value: V) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


@contextmanager
def _with(defaults: Defaults) -> Iterator[None]:
    before = _defaults()
    torch.set_default_dtype(defaults.dtype)
    try:
        if before.device == defaults.device:  # a device's context makes every operation slower
            yield
        else:
            with defaults.device:
                yield
    finally:
        torch.set_default_dtype(before.dtype)


def import_without_triton() -> None:
    """Import what optimizers depend on, without Triton where TensorFlow was imported first.

    Both bring an LLVM, and that of Triton ends the process when it comes second. No step of an
    optimizer needs it; a later compilation imports it then.
    """
    if "tensorflow" not in sys.modules or {"triton", "torch._dynamo"} & sys.modules.keys():
        return
    sys.modules["triton"] = None  # type: ignore[assignment]  # which makes an import fail
    try:
        import_module("torch._dynamo")
    finally:
        sys.modules.pop("triton", None)
