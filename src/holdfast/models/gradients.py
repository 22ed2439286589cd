"""Gradients with respect to inputs, also through checkpointing that does not allow for that."""

from __future__ import annotations

import torch
from torch import Tensor


def input_gradient(
    value: Tensor, z: Tensor, *, whole: bool = False, retain_graph: bool = False
) -> Tensor | None:
    """Return the gradient of a number with respect to z, None where nothing connects them.

    whole: run the backward pass of everything that requires a gradient, as reentrant checkpointing
    asks for. Where the parameters are frozen that is z alone; its `.grad` is left as it was.
    """
    if not whole:
        (gradient,) = torch.autograd.grad(value, z, retain_graph=retain_graph, allow_unused=True)
        return gradient
    if not z.is_leaf:
        z.retain_grad()
    before, z.grad = z.grad, None
    try:
        torch.autograd.backward(value, retain_graph=retain_graph)
        return z.grad
    finally:
        z.grad = before


def is_checkpointed(value: Tensor) -> bool:
    """Return True if reentrant checkpointing lies between a number and what it is made of.

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
