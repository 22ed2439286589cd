"""The basic iterative method, also called I-FGSM: small steps from the unchanged input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.base import Attack, Point
from holdfast.attacks.limits import at_least, positive
from holdfast.attacks.pgd import PGD
from holdfast.attacks.starts import Unchanged
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.registry import register
from holdfast.rng import Rng
from holdfast.threat import Region


@register("attack")
@dataclass(frozen=True, kw_only=True)
class BIM(Attack):
    """PGD without a random start (Kurakin et al., 2017, arXiv:1607.02533, sec. 2.2)."""

    steps: int = 10
    step_size: float = 0.1  # fraction of the radius; steps x step_size >= 1 reaches every corner
    loss: Loss | None = None  # None: the objective's own

    def __post_init__(self) -> None:
        at_least(self.steps, 1, "steps")
        positive(self.step_size, "step_size")

    def iterate(
        self, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
    ) -> Iterator[Point]:
        walk = PGD(steps=self.steps, step_size=self.step_size, start=Unchanged(), loss=self.loss)
        return walk.iterate(objective, region, rng, start)

    def cost(self) -> str:
        return "steps + 1 forward, steps backward"

    def passes(self) -> tuple[int, int]:
        return self.steps + 1, self.steps
