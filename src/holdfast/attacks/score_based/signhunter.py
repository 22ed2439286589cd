"""SignHunter: flip all signs, then halves, quarters ...; keep flips that raise the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, prod

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count


@register("attack", name="signhunter")
@dataclass(frozen=True, kw_only=True)
class SignHunter(Attack):
    """Divide and conquer over the gradient's signs (Al-Dujaili and O'Reilly, 2020, algorithm 2)."""

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        center = region.center()
        ahead = center + 1 if start is None else start
        signs = torch.where(ahead < center, -1.0, 1.0).to(center.dtype).flatten(1)
        here = evaluate(objective, region, _corner(region, signs), rng.at(0))
        yield here
        loss, chunks = here.loss, _chunks(prod(center.shape[1:]))
        for k in range(1, self.queries):
            flipped = signs.clone()
            flipped[:, next(chunks)] *= -1
            here = evaluate(objective, region, _corner(region, flipped), rng.at(k))
            yield here
            better = here.loss > loss
            signs = torch.where(better[:, None], flipped, signs)
            loss = torch.where(better, here.loss, loss)


def _corner(region: Dense, signs: Tensor) -> Tensor:
    """Return the farthest point of the set in the direction of `signs`, (B, d)."""
    center = region.center()
    return region.project(center + expand_like(region.radius, center) * signs.reshape(center.shape))


def _chunks(size: int) -> Iterator[slice]:
    """Yield all coordinates, each half of them, ... each single one, and then all over again."""
    length = size
    while True:
        for first in range(0, size, length):
            yield slice(first, first + length)
        length = ceil(length / 2) if length > 1 else size
