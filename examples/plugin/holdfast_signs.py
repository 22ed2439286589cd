"""A plug-in: an attack for targets that give scores, and a suite in which it runs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

import holdfast as hf


@hf.register("attack")
@dataclass(frozen=True, kw_only=True)
class RandomSigns(hf.attacks.Attack):
    """The worst of random steps of the full radius: what every other attack must beat."""

    knowledge = hf.Knowledge.SCORE  # it asks for scores, and for no gradient
    spends = hf.attacks.Passes("queries")

    queries: hf.units.Count = 100

    def iterate(
        self, objective: hf.Objective, region: hf.threat.Region, rng: hf.Rng, start: Tensor | None
    ) -> hf.attacks.Walk:
        """Yield each point with the scores that the model gave it."""
        center = region.center()
        for k in range(self.queries):
            at = rng.at(k, of=self.queries)
            signs = at.sign(tuple(center.shape[1:])).to(center.dtype)
            z = region.project(region.step(center, signs, 1.0))
            yield hf.attacks.evaluate(objective, region, z, at)


hf.register("suite")(
    hf.Suite(
        name="signs-1",
        members=(
            hf.Member(name="signs", attack=RandomSigns(queries=50)),
            hf.Member(name="square", attack=hf.attacks.Square(queries=200)),
        ),
    )
)
