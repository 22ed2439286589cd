"""VNI-FGSM: NI-FGSM whose gradients are corrected by those of random neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from holdfast.attacks.base import Attack, Capability, Point
from holdfast.attacks.diverse import Diverse, Neighbours, Nesterov
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.registry import register
from holdfast.rng import Rng
from holdfast.threat import Normed, Region, Vector


@register("attack")
@dataclass(frozen=True, kw_only=True)
class VNIFGSM(Attack):
    """NI-FGSM with variance tuning (X. Wang and He, 2021, arXiv:2103.15571, algorithm 1)."""

    needs: ClassVar[tuple[Capability, ...]] = (Vector, Normed)

    steps: int = 10
    step_size: float = 0.1  # fraction of the radius
    decay: float = 1.0  # of the running sum, per step
    neighbours: int = 20  # points whose gradients correct the next one
    reach: float = 1.5  # how far they are drawn, as a multiple of the radius
    loss: Loss | None = None  # None: the objective's own

    def __post_init__(self) -> None:
        self._walk()  # refuses what cannot be meant

    def iterate(
        self, objective: Objective, region: Region, rng: Rng, start: Tensor | None = None
    ) -> Iterator[Point]:
        return self._walk().iterate(objective, region, rng, start)

    def cost(self) -> str:
        gradients = "(1 forward, 1 backward)"
        return f"1 forward + steps x {gradients} + (steps - 1) x neighbours x {gradients}"

    def passes(self) -> tuple[int, int]:
        return self._walk().passes()

    def _walk(self) -> Diverse:
        return Diverse(
            steps=self.steps,
            step_size=self.step_size,
            momentum=Nesterov(decay=self.decay),
            variance=Neighbours(count=self.neighbours, reach=self.reach),
            loss=self.loss,
        )
