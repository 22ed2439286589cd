"""DeepFool: cross the nearest boundary of the model's linear approximation, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from holdfast.attacks.base import Attack, Capability, Point, Scored, Unscored
from holdfast.attacks.limits import at_least, not_negative
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.registry import register
from holdfast.rng import Rng
from holdfast.spaces.ball import norm, spread
from holdfast.threat import Normed, Region, Vector


@register("attack", name="deepfool")
@dataclass(frozen=True, kw_only=True)
class DeepFool(Attack):
    """Step to the nearest boundary as the gradients have it, until it is crossed.

    Moosavi-Dezfooli et al., 2016, arXiv:1511.04599, algorithm 2. The nearest point of a boundary
    within the range is exact, in every norm. What has crossed stays where it is.
    """

    needs: ClassVar[tuple[Capability, ...]] = (Vector, Normed)
    nearest: ClassVar[bool] = True

    steps: int = 50
    top: int = 9  # wrong classes whose boundaries are looked at
    overshoot: float = 0.02  # of the change, to end beyond the boundary

    def __post_init__(self) -> None:
        at_least(self.steps, 1, "steps")
        at_least(self.top, 1, "top")
        not_negative(self.overshoot, "overshoot")

    def iterate(
        self, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
    ) -> Iterator[Point]:
        assert isinstance(region, Normed), "require() has checked this"
        objective = objective.using(Margin())
        x = region.center()
        z = whole = x if start is None else start  # with and without the overshoot
        for k in range(self.steps):
            here, gaps, grads = boundaries(objective, region, z, rng.at(k), self.top)
            yield here
            gaps = gaps - 2 * here.tie[:, None]  # a tie is no success
            move = nearest_crossing(region, here.z, gaps, grads) - here.z
            crossed = spread(here.harm > here.tie, z)
            whole = torch.where(crossed, whole, region.project(whole + move))
            z = torch.where(crossed, z, region.project(x + (1 + self.overshoot) * (whole - x)))
            if bool(crossed.all()):
                return
        yield Unscored(z)

    def cost(self) -> str:
        return "at most steps + 1 forward, steps x top backward"

    def passes(self) -> tuple[int, int]:
        return self.steps + 1, self.steps * self.top


def boundaries(
    objective: Objective, region: Region, z: Tensor, at: Rng, top: int
) -> tuple[Scored, Tensor, Tensor]:
    """Score z; return by how much it is beyond each boundary, (B, C), and (C, B, ...) gradients."""
    z = z.detach().requires_grad_(True)
    with torch.enable_grad():
        x_adv = region.lift(z, at)
        score, gaps, grads = objective.gaps(x_adv, z, at, top)
    point = z.detach()
    shown = point if x_adv is z else x_adv.detach()
    return Scored(point, shown, score, grads.abs().amax(0)), gaps, grads


def nearest_crossing(region: Normed, z: Tensor, gaps: Tensor, grads: Tensor) -> Tensor:
    """Return the valid point nearest to z on any of the planes gap + <grad, p - z> = 0.

    A plane that no valid point reaches counts only where that holds of all.
    """
    best, best_size = z, torch.full_like(gaps[:, 0], torch.inf)
    for gap, grad in zip(gaps.unbind(1), grads, strict=True):
        peak = norm(grad, torch.inf)
        usable = peak > 0
        scale = torch.where(usable, peak, 1.0)
        goal = (-gap / scale).clamp_min(0).nan_to_num(0.0, 0.0, 0.0)
        normal = grad / spread(scale, grad)
        p = region.reach(z, normal, goal)
        gained = (normal * (p - z)).flatten(1).sum(1)
        size = region.norms(p - z)
        size = torch.where(gained < goal * (1 - 1e-3), 1e6 + size, size)
        nearer = usable & (size < best_size)
        best = torch.where(spread(nearer, z), p, best)
        best_size = torch.where(nearer, size, best_size)
    return best
