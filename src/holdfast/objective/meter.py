"""Passes through models, counted per example."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.outline import outlined

FORWARD, BACKWARD, QUERIES = range(3)


@outlined
class Cost(NamedTuple):
    """Passes per example, each (B,) int64.

    A query is a forward pass that the attacker asks of the judged model.
    """

    forward: Tensor
    backward: Tensor
    queries: Tensor


class BudgetSpent(Exception):
    """The threat model's query budget is used up; the search ends with what it has."""


class Meter:
    """Counts the passes of one batch; all views of an objective share it.

    Passes of the whole batch, which most are, are one number: counting costs them next to nothing.
    """

    def __init__(self, n: int, device: torch.device) -> None:
        self._together = [0, 0, 0]
        self._each = torch.zeros(3, n, dtype=torch.int64, device=device)

    def add(self, kind: int, times: int, rows: Tensor | None) -> None:
        """Count `times` passes of a kind for the examples at `rows`, None for all of them."""
        if rows is None:
            self._together[kind] += times
        else:
            self._each[kind].index_add_(0, rows, torch.full_like(rows, times))

    def cost(self, rows: Tensor | None) -> Cost:
        """Return the passes so far of the examples at `rows`, None for all of them."""
        each = self._each if rows is None else self._each[:, rows]
        together = torch.tensor(self._together, device=each.device)
        return Cost(*(each + together[:, None]))
