"""Reinforce: random search with a learned policy over coordinates and signs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.points import hold
from holdfast.attacks.score_based.estimators import cube
from holdfast.attacks.score_based.square import window_share
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count, NotNegative, OfCube, Share

FADE = 0.98  # of the largest reward so far, per query
MOST = 6.0  # largest preference, so that every action keeps some probability
LEAST = 1e-3  # of the cube's side: a shorter move counts as none


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Reinforce(Attack):
    """A random search whose choice of coordinates and signs is learned by policy gradient (ours).

    After PatchAttack (Yang et al., 2020, arXiv:2004.05682), which learns where patches go with
    REINFORCE (Williams, 1992); here the policy is a table of preferences for each example.
    """

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    fraction: Share = 0.5  # of the coordinates that the first action pushes
    step_size: OfCube = 1.0  # of a push, fraction of the largest cube in the set
    rate: NotNegative = 1.0  # learning rate, for rewards between -1 and 1; 0 learns nothing
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        here = evaluate(objective, region, z, rng.at(0))
        yield here
        best, side = hold(here), cube(region)
        policy = _Policy(z, self.rate)
        size = prod(z.shape[1:])
        for k in range(1, self.queries):
            share = window_share(self.fraction, k, self.queries)
            push = policy.draw(max(round(share * size), 1), rng.at(k)).reshape(z.shape)
            ahead = region.project(best.z + self.step_size * side * push)
            here = evaluate(objective, region, ahead, rng.at(k))
            yield here
            moved = (ahead - best.z) * push > LEAST * side
            policy.learn(push.flatten(1), moved.flatten(1), here.loss - best.loss)
            best = best.or_better(here)


class _Policy:
    """Preferences for pushing each coordinate up and down; the softmax of them is the policy."""

    def __init__(self, z: Tensor, rate: float) -> None:
        self.preference = torch.zeros(len(z), 2, prod(z.shape[1:]), dtype=z.dtype, device=z.device)
        self.usual = torch.zeros(len(z), dtype=torch.float64, device=z.device)
        self.rate = rate

    def draw(self, count: int, at: Rng) -> Tensor:
        """Draw `count` coordinates and a sign for each: (B, d) of -1, 0 and 1.

        The largest of preferences plus Gumbel noise are a draw from the softmax without repeats.
        """
        noise = at.fold("action").uniform(tuple(self.preference.shape[1:])).clamp_min(1e-7)
        up, down = (self.preference - (-noise.log()).log().to(self.preference.dtype)).unbind(1)
        chosen = torch.maximum(up, down).topk(count, 1).indices
        sign = torch.where(up >= down, 1.0, -1.0).to(up.dtype)
        return torch.zeros_like(sign).scatter(1, chosen, sign.gather(1, chosen))

    def learn(self, push: Tensor, moved: Tensor, reward: Tensor) -> None:
        """Raise the preference for rewarded pushes, and lower that for their opposites.

        A push that the set did not allow is never rewarded.
        """
        reward = reward.nan_to_num(0.0, 0.0, 0.0).double()
        self.usual = torch.maximum(FADE * self.usual, reward.abs())
        scale = torch.where(self.usual > 0, self.usual, 1.0)
        earned = (reward / scale).to(push.dtype)[:, None] * push * moved
        up, down = (push > 0) & ~moved, (push < 0) & ~moved
        change = torch.stack([earned - up.to(push.dtype), -earned - down.to(push.dtype)], 1)
        self.preference = (self.preference + self.rate * change).clamp(-MOST, MOST)
