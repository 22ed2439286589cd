"""SimBA: steps along or against one basis direction, kept where they raise the loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.directions import Basis, Pixels
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.points import hold
from holdfast.attacks.score_based.estimators import cube
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import select
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count, OfCube


@register("attack", name="simba")
@dataclass(frozen=True, kw_only=True)
class SimBA(Attack):
    """Simple black-box attack in pixels or low frequencies (Guo et al., 2019, algorithm 1).

    Each example goes through the basis at its own step_sizes: where the step along a direction
    raises the loss, the step against it is not tried.
    """

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    basis: Basis = Pixels()  # or Cosines(share=0.125)
    step_size: OfCube = 1.0  # length of a step, fraction of the largest cube in the set
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        here = evaluate(objective, region, z, rng.at(0))
        yield here
        best, length = hold(here), self.step_size * cube(region)
        order = self.basis.order(region.x, rng.fold("order"))
        turn = torch.zeros_like(order[:, 0])
        against = torch.zeros_like(turn, dtype=torch.bool)
        for k in range(1, self.queries):
            which = order.gather(1, (turn % order.shape[1])[:, None]).squeeze(1)
            move = length * self.basis.direction(region.x, which)
            z = best.z + select(against, -move, move)
            here = evaluate(objective, region, region.project(z), rng.at(k))
            yield here
            done = against | (here.loss > best.loss)
            turn, against = turn + done, ~done
            best = best.or_better(here)
