"""GenAttack: a small population of points that are crossed and mutated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Walk, look
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.score_based.estimators import cube
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count, Positive, Share, Within


@register("attack", name="genattack")
@dataclass(frozen=True, kw_only=True)
class GenAttack(Attack):
    """A genetic search (Alzantot et al., 2019, algorithm 1).

    Each example has a population of its own; its best member lives on and costs no query.
    """

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    population: Annotated[int, Within(2)] = 6  # members of a generation
    rate: Share = 0.05  # share of the coordinates that mutate in a child
    mutation: Positive = 1.0  # largest mutation, fraction of the largest cube in the set
    temperature: Positive = 0.3  # how evenly parents are chosen, in deviations of the fitness
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        born = []
        for j in range(min(self.population, self.queries)):
            z = start if start is not None and j == 0 else region.init(rng.fold("member", j))
            born.append(look(objective, region, z, rng.at(0)))
            yield born[-1]
        tribe, left, k = _gather(born), self.queries - len(born), 0
        while left > 0:
            k += 1
            at, born = rng.at(k), []
            for child in self._children(tribe, region, at)[:left]:
                born.append(look(objective, region, region.project(child), at))
                yield born[-1]
            left -= len(born)
            tribe = _gather(born, _elite(tribe))

    def _children(self, tribe: _Tribe, region: Dense, at: Rng) -> tuple[Tensor, ...]:
        """Return population - 1 children: crossed from two parents each, and mutated."""
        count, shape = self.population - 1, tuple(tribe.z.shape[2:])
        chance = _chances(tribe.loss, self.temperature)
        ends = chance.cumsum(1)
        mother, father = (
            torch.searchsorted(ends, at.fold(name).uniform((count,)).double()).clamp_max(count)
            for name in ("mother", "father")
        )
        m, f = chance.gather(1, mother), chance.gather(1, father)
        share = (m / (m + f)).reshape(-1, count, *[1] * len(shape))
        row = torch.arange(len(ends), device=ends.device)[:, None]
        from_mother = at.fold("cross").uniform((count, *shape)) < share
        child = torch.where(from_mother, tribe.z[row, mother], tribe.z[row, father])
        mutates = at.fold("mutates").uniform((count, *shape)) < self.rate
        noise = at.fold("noise").uniform((count, *shape), -1.0, 1.0).to(child.dtype)
        size = self.mutation * cube(region)[:, None]
        return torch.where(mutates, child + size * noise, child).unbind(1)


class _Tribe(NamedTuple):
    """One generation."""

    z: Tensor  # (B, members, ...)
    loss: Tensor  # (B, members) float64; a loss that is no number is the least


def _gather(born: list[Scored], elite: _Tribe | None = None) -> _Tribe:
    z = torch.stack([here.z for here in born], 1)
    loss = torch.stack([here.loss for here in born], 1).double().nan_to_num(-1e30, 1e30, -1e30)
    if elite is None:
        return _Tribe(z, loss)
    return _Tribe(torch.cat([elite.z, z], 1), torch.cat([elite.loss, loss], 1))


def _elite(tribe: _Tribe) -> _Tribe:
    best = tribe.loss.argmax(1, keepdim=True)
    row = torch.arange(len(best), device=best.device)[:, None]
    return _Tribe(tribe.z[row, best], tribe.loss[row, best])


def _chances(loss: Tensor, temperature: float) -> Tensor:
    """Return (B, members): how likely each is a parent; blind to shift and scale of the loss."""
    above = loss - loss.mean(1, keepdim=True)
    deviation = above.square().mean(1, keepdim=True).sqrt()
    return torch.softmax(above / (temperature * torch.where(deviation > 0, deviation, 1.0)), 1)
