"""Gradients with respect to inputs, also through checkpointing that does not allow for that."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

_gradients = partial(torch.autograd.grad, allow_unused=True, materialize_grads=True)


class InputGradient:
    """The gradient of a number with respect to z, zero where nothing connects them.

    Reentrant checkpointing asks for a backward pass of everything that requires a gradient; where
    the parameters are frozen that is z alone. Whether it does is found out once.
    """

    def __init__(self) -> None:
        self._whole: bool | None = None

    def __call__(self, value: Tensor, z: Tensor, keep: bool = False) -> Tensor:
        """Run one backward pass; z's own `.grad` is left as it was. keep: the graph."""
        if self._whole is None:
            self._whole = is_checkpointed(value)
        if not self._whole:
            return _gradients(value, z, retain_graph=keep)[0]
        if not z.is_leaf:
            z.retain_grad()
        before, z.grad = z.grad, None
        try:
            torch.autograd.backward(value, retain_graph=keep)
            return torch.zeros_like(z) if z.grad is None else z.grad
        finally:
            z.grad = before


def is_checkpointed(value: Tensor) -> bool:
    """Return True if reentrant checkpointing lies between a number and its inputs.

    Such a step computes its part of the graph in the backward pass, by a backward pass of its own,
    and refuses one that is for inputs alone (`torch.utils.checkpoint`, `use_reentrant=True`).
    """
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "Checkpoint" in type(node).__name__:
            return True
        waiting.extend(following for following, _ in node.next_functions)
    return False
