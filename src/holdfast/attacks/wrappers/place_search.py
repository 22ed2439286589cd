"""Search for a patch's place: many are scored, some attacked briefly, the best in full."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from holdfast.attacks.core.base import (
    Attack,
    Demands,
    Scored,
    Walk,
    evaluate,
    require,
    value_and_grad,
)
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.attacks.gradient.apgd import APGD
from holdfast.components import register
from holdfast.errors import ConfigError
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Knowledge, Placed, Trait
from holdfast.units import Count

HEAT = 3  # steps of the whole radius that a place of the second round gets


@register("attack")
@dataclass(frozen=True, kw_only=True)
class PlaceSearch(Wrapper):
    """Rank the places of a patch in rounds, then attack its content at the best (ours).

    The gradient at the unchanged input predicts the gain of the best content at each place; the
    first `probes` places are scored with that content, the best `heats` of them climb for three
    large steps, and at the best `places` of those the attack runs. Enough probes and heats try
    every place; the boxes at single places are those of LaVAN (Karmon et al., 2018,
    arXiv:1801.02608).
    """

    needs = (Trait.VECTOR, Placed)
    baseline = "PGD with restarts, or SparseRS"
    spends = Passes(
        f"at most probes + 1 + heats x {HEAT} + places x attack",
        f"1 + heats x {HEAT} + places x attack",
    )

    attack: Attack = APGD(steps=50, loss=Margin())
    probes: Count = 64  # places that are scored once
    heats: Count = 16  # of these, places that climb for three steps
    places: Count = 4  # of these, places at which the attack runs
    loss: Loss | None = Margin()  # by which places are ranked

    def __post_init__(self) -> None:
        if not self.places <= self.heats <= self.probes:
            raise ConfigError(
                "places, heats and probes must not fall, got "
                f"{self.places}, {self.heats} and {self.probes}"
            )

    def iterate(self, objective: Objective, region: Placed, rng: Rng, start: Tensor | None) -> Walk:
        ranking, x = objective.using(self.loss), region.x
        anywhere = region.places()[:1].expand(len(x), 2)
        here, grad = value_and_grad(ranking, region.fixed(anywhere), x, rng.fold("rank"))
        yield replace(here, z=region.point(anywhere, x))
        order = _best(region.promise(grad), self.probes)
        merit = yield from self._probe_places(ranking, region, order, grad, rng.fold("probe"))
        order = order.gather(1, _best(merit, self.heats))
        merit = yield from self._heats(ranking, region, order, grad, rng.fold("heat"))
        for k, index in enumerate(order.gather(1, _best(merit, self.places)).unbind(1)):
            place = region.places()[index]
            box, at = region.fixed(place), self.attack.own(rng.fold("place", k))
            require(self.attack, objective, box)
            for found in self.attack.iterate(objective, box, at, None):
                yield replace(found, z=region.point(place, found.z))

    def _probe_places(
        self, objective: Objective, region: Placed, order: Tensor, grad: Tensor, rng: Rng
    ) -> Generator[Scored, None, Tensor]:
        """Score the places `order` (B, n) with the content of the gradient; return the losses."""
        losses = []
        for k, index in enumerate(order.unbind(1)):
            place = region.places()[index]
            box = region.fixed(place)
            x_adv = box.project(box.step(region.x, grad, 2.0))
            here = evaluate(objective, box, x_adv, rng.at(k))
            losses.append(here.loss)
            yield replace(here, z=region.point(place, x_adv))
        return torch.stack(losses, 1)

    def _heats(
        self, objective: Objective, region: Placed, order: Tensor, grad: Tensor, rng: Rng
    ) -> Generator[Scored, None, Tensor]:
        """Climb at the places `order` (B, n) from that content; return the largest losses."""
        losses = []
        for k, index in enumerate(order.unbind(1)):
            place = region.places()[index]
            box = region.fixed(place)
            z = box.project(box.step(region.x, grad, 2.0))
            most = torch.full_like(region.radius, -torch.inf)
            for i in range(HEAT):
                here, slope = value_and_grad(objective, box, z, rng.fold("place", k).at(i))
                yield replace(here, z=region.point(place, here.z))
                most = torch.where(here.loss > most, here.loss, most)
                z = box.project(box.step(here.z, slope, 1.0))
            losses.append(most)
        return torch.stack(losses, 1)

    def demands(self) -> Demands:
        return Demands(Knowledge.GRADIENT, self.needs)


def _best(merit: Tensor, count: int) -> Tensor:
    """Return (B, n): indices of the largest of merit (B, P), at most `count`; NaN comes last."""
    merit = torch.where(merit.isnan(), -torch.inf, merit)
    return merit.argsort(dim=1, descending=True, stable=True)[:, :count]
