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


def positions(which: Tensor) -> Tensor:
    """Return the positions of the examples `which`, (B,) bool; a single one twice.

    Sums over a single row may be split over threads, and then their last digits are others.
    """
    rows = which.nonzero().squeeze(1)
    return rows.repeat(2) if len(rows) == 1 else rows
