"""The points of a search, and how one is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.objective import BudgetSpent, Objective, Score
from holdfast.outline import outlined
from holdfast.rng import Rng
from holdfast.tensors import select
from holdfast.threat import Region


@outlined
@dataclass(frozen=True)
class Scored:
    """A point of the search with what one forward pass said about it."""

    z: Tensor  # (B, ...)
    x_adv: Tensor  # (B, ...)
    score: Score
    grad: Tensor | None = None  # (B, ...) of the loss; None: none was asked for

    @property
    def loss(self) -> Tensor:
        """Return (B,): the loss that the search maximizes."""
        return self.score.loss.detach()

    @property
    def harm(self) -> Tensor:
        """Return (B,): the harm, positive where the goal is reached."""
        return self.score.harm

    @property
    def tie(self) -> Tensor:
        """Return (B,): how large a harm must be to count."""
        return self.score.tie

    @property
    def edge(self) -> Tensor:
        """Return (B,): how large a harm the search aims at, a little more than counts."""
        return self.score.edge


@outlined
@dataclass(frozen=True)
class Unscored:
    """The point where a search ends, not yet looked at."""

    z: Tensor  # (B, ...)
    grad: Tensor | None = None  # (B, ...) zero where the search had none

    def scored(self, objective: Objective, region: Region, rng: Rng) -> Scored:
        """Return the point with its score: one forward pass."""
        return replace(evaluate(objective, region, self.z, rng), grad=self.grad)


Point = Scored | Unscored
Walk = Iterator[Point]  # of a search: scored points, then its end


@torch.enable_grad()
def value_and_grad(
    objective: Objective, region: Region, z: Tensor, at: Rng
) -> tuple[Scored, Tensor]:
    """Score z and return the gradient of its loss: one forward and one input-only backward pass."""
    z = z.detach().requires_grad_(True)
    x_adv = region.lift(z, at)
    score, grad = objective.value_and_grad(x_adv, z, at)
    point = z.detach()  # kept once where point and input are one
    return Scored(point, point if x_adv is z else x_adv.detach(), score, grad), grad


@torch.no_grad()
def evaluate(objective: Objective, region: Region, z: Tensor, at: Rng) -> Scored:
    """Score z without a gradient: one forward pass."""
    x_adv = region.realize(z, at)
    return Scored(z, x_adv, objective.score(x_adv, at))


@torch.no_grad()
def query(objective: Objective, region: Region, z: Tensor, at: Rng) -> tuple[Scored, Tensor]:
    """Return z as a point and (B,) bool, whether it reaches the goal: one query for one bit.

    A search under *decision* knowledge may use the bit alone.
    """
    x_adv = region.realize(z, at)
    score = objective.decide(x_adv, at)
    return Scored(z, x_adv, score), score.loss > 0


def scored(points: Walk, objective: Objective, region: Region, rng: Rng) -> Iterator[Scored]:
    """Score the points that the search left unscored; end quietly when the budget is spent."""
    try:
        for point in points:
            yield point if isinstance(point, Scored) else point.scored(objective, region, rng)
    except BudgetSpent:
        return


class Held(NamedTuple):
    """The point that a search goes on from."""

    z: Tensor  # (B, ...)
    loss: Tensor  # (B,)

    def or_better(self, here: Scored) -> Held:
        """Return each example's point of the larger loss."""
        better = here.loss > self.loss
        z = select(better, here.z, self.z)
        return Held(z, torch.where(better, here.loss, self.loss))


def hold(here: Scored) -> Held:
    """Return the first point of a search."""
    return Held(here.z, here.loss)
