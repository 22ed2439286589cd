"""Write an attack of your own: PGD whose steps shrink to nothing along half a cosine.

python examples/own_attack.py
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import torch
from torch import Tensor

import holdfast as hf


@hf.register("attack")
@dataclass(frozen=True, kw_only=True)
class CosinePGD(hf.attacks.Attack):
    """PGD with steps that shrink along half a cosine, as learning rates do."""

    spends = hf.attacks.Passes("steps + 1", "steps")  # forward and backward, per example

    steps: hf.units.Count = 20
    step_size: hf.units.OfRadius = 0.5  # of the first step, a fraction of the radius
    loss: hf.losses.Loss | None = None  # None: the objective's own

    def iterate(
        self, objective: hf.Objective, region: hf.threat.Region, rng: hf.Rng, start: Tensor | None
    ) -> hf.attacks.Walk:
        """Yield each scored point, and at the end the last one, which is not scored yet."""
        objective = objective.using(self.loss)
        z = region.init(rng) if start is None else start
        for k in range(self.steps):
            here, grad = hf.attacks.value_and_grad(objective, region, z, rng.at(k, of=self.steps))
            yield here
            length = self.step_size * (1 + math.cos(math.pi * k / self.steps)) / 2
            z = region.project(region.step(here.z, grad, length))
        yield hf.attacks.Unscored(z)


def main() -> None:
    """Check the attack, compare it with PGD on a batch, and evaluate with both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="example")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--n", type=int, default=200, help="test examples")
    options = parser.parse_args()

    # What every attack must hold: in the set, repeatable, blind to batch mates, passes as stated.
    hf.testing.check_attack(CosinePGD(steps=4))

    threat = hf.ThreatModel(hf.Linf(eps=0.1))
    model = hf.train(
        "mlp",
        "digits",
        threat=threat,
        epochs=options.epochs,
        out=f"{options.out}/own_attack/run",
        resume=True,
        quiet=True,
    ).model

    # It is known by its name now, and its fields are checked: CosinePGD(steps=0) is an error.
    batch = hf.load_data("digits").test.batch(torch.arange(100))
    for attack in ("cosine_pgd", CosinePGD(steps=20, loss=hf.losses.Margin()), "pgd"):
        found = hf.attack(model, batch.x, batch.y, threat=threat, attack=attack, seed=0)
        print(f"{attack}: {found.success.float().mean():.0%} broken")

    # In an evaluation it is one member of a suite of your own.
    ours = hf.Member(name="cosine", attack=CosinePGD())
    suite = hf.Suite(name="mine-1", members=(ours, hf.Member(name="pgd", attack=hf.attacks.PGD())))
    claim = hf.evaluate(
        model,
        "digits",
        threat=threat,
        suite=suite,
        out=f"{options.out}/own_attack/claim",
        n=options.n,
        quiet=True,
    )
    print(claim)


if __name__ == "__main__":
    main()
