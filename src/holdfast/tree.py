"""Trees of tensors: batches, perturbations and attack states share one helper, `take`."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def take(tree: Any, idx: Tensor) -> Any:
    """Select the examples `idx` along the first axis of every tensor in `tree`.

    Tuples (named ones too), lists and dicts are walked; None stays None; objects with a `take`
    method are asked.
    """
    if tree is None:
        return None
    if isinstance(tree, Tensor):
        return tree.index_select(0, idx)
    if isinstance(tree, dict):
        return {key: take(value, idx) for key, value in tree.items()}
    if isinstance(tree, tuple | list):
        make = getattr(type(tree), "_make", type(tree))  # named tuples do not take an iterable
        return make(take(value, idx) for value in tree)
    return tree.take(idx)
