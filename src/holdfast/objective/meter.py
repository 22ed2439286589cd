"""Passes through models, counted per example."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.outline import outlined


@outlined
class Cost(NamedTuple):
    """Passes per example, each (B,) int64.

    A query is a forward pass that the attacker asks of the judged model.
    """

    forward: Tensor
    backward: Tensor
    queries: Tensor

    def since(self, before: Cost) -> Cost:
        """Return the cost since `before`."""
        return Cost(*(now - then for now, then in zip(self, before, strict=True)))


class BudgetSpent(Exception):
    """The threat model's query budget is used up; the search ends with what it has."""


class Meter:
    """Counts the passes of one batch; all views of an objective share it.

    Passes of the whole batch, which most are, are three numbers: counting costs next to nothing.
    """

    def __init__(self, n: int, device: torch.device) -> None:
        self._together = Counter(dict.fromkeys(Cost._fields, 0))
        self._each = torch.zeros(3, n, dtype=torch.int64, device=device)

    def add(
        self, rows: Tensor | None, forward: int = 0, backward: int = 0, queries: int = 0
    ) -> None:
        """Count passes of the examples at `rows`, None for all of them."""
        if rows is None:
            self._together.update(forward=forward, backward=backward, queries=queries)
        else:
            passes = torch.tensor([[forward], [backward], [queries]], device=rows.device)
            self._each.index_add_(1, rows, passes.expand(3, len(rows)))

    def cost(self, rows: Tensor | None) -> Cost:
        """Return the passes so far of the examples at `rows`, None for all of them."""
        each = self._each if rows is None else self._each[:, rows]
        together = torch.tensor([*self._together.values()], device=each.device)
        return Cost(*(each + together[:, None]))
