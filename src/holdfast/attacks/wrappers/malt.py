"""One run towards each of the classes that a linear model would call nearest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Demands, Walk, climb
from holdfast.attacks.core.validation import at_least
from holdfast.attacks.gradient.apgd import APGD
from holdfast.components import register
from holdfast.losses import DLR, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Normed, Region


@register("attack")
@dataclass(frozen=True, kw_only=True)
class ToNearest(Attack):
    """One run towards the wrong class that is the rank-th nearest by its linear distance."""

    needs = (Normed,)

    attack: Attack = APGD(loss=DLR())
    rank: int = 1  # 1: the nearest wrong class
    among: int = 9  # likeliest wrong classes whose distance is looked at

    def __post_init__(self) -> None:
        at_least(self.rank, 1, "rank")
        at_least(self.among, self.rank, "among")

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        order = objective.recall(
            f"nearest of {self.among}", lambda: _nearest(objective, region, rng, self.among)
        )
        if self.rank <= order.shape[1]:
            steered = objective.towards(order[:, self.rank - 1])
            yield from self.attack.iterate(steered, region, rng, start)

    def demands(self) -> Demands:
        inner = self.attack.demands()
        return Demands(inner.knowledge, tuple(dict.fromkeys((*self.needs, *inner.needs))))

    def cost(self) -> str:
        return f"1 forward + at most among x (1 forward, 1 backward) + ({self.attack.cost()})"

    def passes(self) -> tuple[int, int]:
        forward, backward = self.attack.passes()
        return 1 + self.among + forward, self.among + backward


@register("attack", name="malt")
@dataclass(frozen=True, kw_only=True)
class MALT(Attack):
    """The worst of one run towards each of the `top` nearest classes, as a linear model has them.

    Melamed et al., 2024, arXiv:2407.02240, algorithm 1. Any wrong class is a success.
    """

    needs = (Normed,)

    attack: Attack = APGD(loss=DLR())
    top: int = 9  # wrong classes that are tried, the nearest first
    among: int = 9  # likeliest wrong classes whose distance is looked at; 100 for many classes

    def __post_init__(self) -> None:
        at_least(self.top, 1, "top")
        at_least(self.among, 1, "among")

    def parts(self) -> tuple[Attack, ...]:
        return tuple(
            ToNearest(attack=part, rank=rank, among=self._looks)
            for rank in range(1, self.top + 1)
            for part in self.attack.parts()
        )

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        for part in self.parts():
            yield from part.iterate(objective, region, part.own(rng), start)

    def demands(self) -> Demands:
        return ToNearest(attack=self.attack).demands()

    def cost(self) -> str:
        run = f"at most top x ({self.attack.cost()})"
        return f"1 forward + at most {self._looks} x (1 forward, 1 backward) + {run}"

    def passes(self) -> tuple[int, int]:
        forward, backward = self.attack.passes()
        return 1 + self._looks + self.top * forward, self._looks + self.top * backward

    @property
    def _looks(self) -> int:
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
        here, grad = climb(margin.towards(target), region, region.center(), rng.fold("order"))
        slope = region.dual_norm(grad)
        near = torch.where((slope > 0) & (place < count), here.loss / slope, -torch.inf)
        closeness.append(near.nan_to_num(-torch.inf, torch.inf, -torch.inf))
    if not closeness:
        return likeliest
    order = torch.stack(closeness, 1).argsort(dim=1, descending=True, stable=True)
    again = torch.arange(order.shape[1], device=order.device) % count[:, None]
    return likeliest.gather(1, order.gather(1, again))
