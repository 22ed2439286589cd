"""GenAttack: a genetic search with crossover and mutation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Scored, Walk, evaluate
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
        children = []
        for j in range(min(self.population, self.queries)):
            z = start if start is not None and j == 0 else region.init(rng.fold("member", j))
            children.append(evaluate(objective, region, z, rng.at(0)))
            yield children[-1]
        parents, left, k = _gather(children), self.queries - len(children), 0
        while left > 0:
            k += 1
            at, children = rng.at(k), []
            for child in self._children(parents, region, at)[:left]:
                children.append(evaluate(objective, region, region.project(child), at))
                yield children[-1]
            left -= len(children)
            parents = _gather(children, _elite(parents))

    def _children(self, parents: _Population, region: Dense, at: Rng) -> tuple[Tensor, ...]:
        """Return population - 1 children: crossed from two parents each, and mutated."""
        count, shape = self.population - 1, tuple(parents.z.shape[2:])
        chance = _chances(parents.loss, self.temperature)
        ends = chance.cumsum(1)
        mother, father = (
            torch.searchsorted(ends, at.fold(name).uniform((count,)).double()).clamp_max(count)
            for name in ("mother", "father")
        )
        m, f = chance.gather(1, mother), chance.gather(1, father)
        share = (m / (m + f)).reshape(-1, count, *[1] * len(shape))
        row = torch.arange(len(ends), device=ends.device)[:, None]
        from_mother = at.fold("cross").uniform((count, *shape)) < share
        child = torch.where(from_mother, parents.z[row, mother], parents.z[row, father])
        mutates = at.fold("mutates").uniform((count, *shape)) < self.rate
        noise = at.fold("noise").uniform((count, *shape), -1.0, 1.0).to(child.dtype)
        size = self.mutation * cube(region)[:, None]
        return torch.where(mutates, child + size * noise, child).unbind(1)


class _Population(NamedTuple):
    """One generation: its members and their losses."""

    z: Tensor  # (B, members, ...)
    loss: Tensor  # (B, members) float64; a loss that is no number counts as the least


def _gather(children: list[Scored], elite: _Population | None = None) -> _Population:
    z = torch.stack([here.z for here in children], 1)
    loss = torch.stack([here.loss for here in children], 1).double().nan_to_num(-1e30, 1e30, -1e30)
    if elite is None:
        return _Population(z, loss)
    return _Population(torch.cat([elite.z, z], 1), torch.cat([elite.loss, loss], 1))


def _elite(parents: _Population) -> _Population:
    best = parents.loss.argmax(1, keepdim=True)
    row = torch.arange(len(best), device=best.device)[:, None]
    return _Population(parents.z[row, best], parents.loss[row, best])


def _chances(loss: Tensor, temperature: float) -> Tensor:
    """Return (B, members): parent probabilities, invariant to shift and scale of the loss."""
    above = loss - loss.mean(1, keepdim=True)
    deviation = above.square().mean(1, keepdim=True).sqrt()
    return torch.softmax(above / (temperature * torch.where(deviation > 0, deviation, 1.0)), 1)
