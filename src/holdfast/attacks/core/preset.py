"""An attack known by a name of its own that is a choice among another's settings."""

from __future__ import annotations

from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region


class Preset(Attack):
    """The interface of such an attack: `chosen` says what it is, all else follows from that."""

    def __post_init__(self) -> None:
        self.chosen()  # refuses impossible values

    def chosen(self) -> Attack:
        """Return the attack that this one is."""
        raise NotImplementedError

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        return self.chosen().iterate(objective, region, rng, start)

    def travel(self) -> float | None:
        return self.chosen().travel()

    def formula(self) -> tuple[str, str]:
        return self.chosen().formula()

    def passes(self) -> tuple[int, int]:
        return self.chosen().passes()
