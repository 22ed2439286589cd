"""One run towards each of the classes that a linear model would call nearest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.attacks.gradient.apgd import APGD
from holdfast.components import register
from holdfast.errors import ConfigError
from holdfast.losses import DLR, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Normed
from holdfast.units import Count


@register("attack")
@dataclass(frozen=True, kw_only=True)
class ToNearest(Wrapper):
    """One run towards the wrong class that is the rank-th nearest by its linear distance."""

    needs = (Normed,)
    spends = Passes("1 + at most among + attack", "at most among + attack")

    attack: Attack = APGD(loss=DLR())
    rank: Count = 1  # 1: the nearest wrong class
    among: Count = 9  # likeliest wrong classes whose distance is looked at

    def __post_init__(self) -> None:
        if self.among < self.rank:
            raise ConfigError(f"among must be at least rank, {self.rank}, got {self.among}")

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        order = objective.recall(
            f"nearest of {self.among}", lambda: _nearest(objective, region, rng, self.among)
        )
        if self.rank <= order.shape[1]:
            steered = objective.towards(order[:, self.rank - 1])
            yield from self.attack.iterate(steered, region, rng, start)


@register("attack", name="malt")
@dataclass(frozen=True, kw_only=True)
class MALT(Wrapper):
    """The worst of one run towards each of the `top` nearest classes, as a linear model has them.

    Melamed et al., 2024, arXiv:2407.02240, algorithm 1. Any wrong class is a success.
    """

    needs = (Normed,)
    spends = Passes(
        "1 + at most _candidates + at most top x attack",
        "at most _candidates + at most top x attack",
    )

    attack: Attack = APGD(loss=DLR())
    top: Count = 9  # wrong classes that are tried, the nearest first
    among: Count = 9  # likeliest wrong classes whose distance is looked at; 100 for many classes

    def parts(self) -> tuple[Attack, ...]:
        return tuple(
            ToNearest(attack=part, rank=rank, among=self._candidates)
            for rank in range(1, self.top + 1)
            for part in self.attack.parts()
        )

    @property
    def _candidates(self) -> int:
        return max(self.among, self.top)


def _nearest(objective: Objective, region: Normed, rng: Rng, among: int) -> Tensor:
    """Return (B, <= among): the likeliest wrong classes, ordered by gap over the gap's slope.

    In place of classes that are masked the others come again.
    """
    margin = objective.using(Margin())
    closeness = []
    likeliest, count = objective.rivals()
    likeliest, count = likeliest[:, :among], count.clamp_max(among)
    for place, target in enumerate(likeliest.unbind(1)):
        here, grad = value_and_grad(
            margin.towards(target), region, region.center(), rng.fold("order")
        )
        slope = region.dual_norm(grad)
        near = torch.where((slope > 0) & (place < count), here.loss / slope, -torch.inf)
        closeness.append(near.nan_to_num(-torch.inf, torch.inf, -torch.inf))
    if not closeness:
        return likeliest
    order = torch.stack(closeness, 1).argsort(dim=1, descending=True, stable=True)
    again = torch.arange(order.shape[1], device=order.device) % count[:, None]
    return likeliest.gather(1, order.gather(1, again))
