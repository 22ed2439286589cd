"""A network that counts what each image costs, ends at a budget, and remembers what it was shown.

Whoever attacks gets this instead of the network. Per image it counts forward and backward passes;
after `budget` of them the image's logits are what they were on the unchanged image, whatever is
asked, and have no gradient. Of everything that was asked within the budget it keeps the distance of
the nearest counterexample, so nobody loses by what he returns.

Inputs are clamped to 0..1 before the network sees them. Which image a row belongs to: in a batch of
all the images under attack, the one at its place; in any other, the nearest one. A row given to the
wrong image costs that one's budget; as a counterexample it is one all the same, since distance and
label are those of the image that it is given to.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

UNCHANGED = 1e-6  # a coordinate that differs by no more counts as unchanged in L0
PATIENCE = 50  # calls after everybody's budget is spent, before the attack is stopped


class OverBudget(Exception):
    """Every image's budget is spent, and the attack goes on asking."""


def distance(a: Tensor, b: Tensor, norm: float) -> Tensor:
    """Return (B,): the distance between two batches of images in the norm 0, 1, 2 or inf."""
    change = (a - b).flatten(1).abs()
    if norm == 0:
        return (change > UNCHANGED).sum(1).to(change.dtype)
    return torch.linalg.vector_norm(change, norm, dim=1)


class Counted(nn.Module):
    """A network behind a budget of forward and backward passes per image.

    x: (n, ...) the images, all classified correctly; y: (n,) their labels.
    """

    def __init__(self, net: nn.Module, x: Tensor, y: Tensor, norm: float, budget: int) -> None:
        super().__init__()
        self.net, self.x, self.y, self.norm, self.budget = net, x, y, norm, budget
        self.forwards = torch.zeros(len(x), dtype=torch.int64)
        self.backwards = torch.zeros(len(x), dtype=torch.int64)
        self.nearest = torch.full((len(x),), math.inf)
        self.among = torch.arange(len(x))  # the images under attack
        self.late = 0
        with torch.no_grad():
            self.constant = net(x)

    @property
    def spent(self) -> Tensor:
        """Return (n,): forward and backward passes of each image so far."""
        return self.forwards + self.backwards

    def forward(self, z: Tensor) -> Tensor:
        rows = self._rows(z)
        granted = self._grant(rows, self.forwards)
        if not bool(granted.any()) and bool((self.spent >= self.budget).all()):
            self.late += 1
            if self.late > PATIENCE:
                raise OverBudget
        valid = z.clamp(0, 1)
        logits = self.net(valid)
        self._note(rows, valid.detach(), logits.detach(), granted)
        shown = torch.where(granted[:, None], logits, self.constant[rows])
        if shown.requires_grad:
            shown.register_hook(partial(self._backward, rows))
        return shown

    def verdict(self, x_adv: Tensor) -> Tensor:
        """Return (n,): the distances of returned points, infinite where one is no counterexample.

        It is the referee's own look and costs nobody anything.
        """
        x_adv = x_adv.detach().to(self.x.dtype)
        valid = x_adv.clamp(0, 1)
        inside = (valid - x_adv).flatten(1).abs().amax(1) <= 1e-5
        with torch.no_grad():
            wrong = self.net(valid).argmax(1) != self.y
        return torch.where(wrong & inside, distance(valid, self.x, self.norm), math.inf)

    def _backward(self, rows: Tensor, grad: Tensor) -> Tensor:
        granted = self._grant(rows, self.backwards)
        return grad * granted[:, None]

    def _grant(self, rows: Tensor, meter: Tensor) -> Tensor:
        """Count one pass for each row that has budget left; return (b,) which have."""
        earlier = torch.zeros_like(rows)  # rows of the same image before this one, in this batch
        if rows is not self.among:
            seen = F.one_hot(rows, len(self.x)).cumsum(0)
            earlier = seen.gather(1, rows[:, None]).squeeze(1) - 1
        granted = self.spent[rows] + earlier < self.budget
        meter.index_add_(0, rows, granted.long())
        return granted

    def _rows(self, z: Tensor) -> Tensor:
        if len(z) == len(self.among):
            return self.among
        candidates = self.x[self.among].flatten(1)
        return self.among[torch.cdist(z.detach().flatten(1), candidates).argmin(1)]

    def _note(self, rows: Tensor, z: Tensor, logits: Tensor, granted: Tensor) -> None:
        wrong = granted & (logits.argmax(1) != self.y[rows]) & logits.isfinite().all(1)
        if bool(wrong.any()):
            found = distance(z[wrong], self.x[rows[wrong]], self.norm)
            self.nearest.scatter_reduce_(0, rows[wrong], found, "amin")
