"""Write a training method of your own: clean and attacked inputs, each with its share of the loss.

python examples/own_method.py
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch
from torch import Tensor

import holdfast as hf


@hf.register("method")
@dataclass(frozen=True, kw_only=True)
class Mixed(hf.training.Method):
    """A share of the loss on clean inputs, the rest on attacked ones (Goodfellow et al., 2015)."""

    share: hf.units.UpToOne = 0.5  # of the clean inputs
    attack: hf.attacks.Attack = hf.attacks.PGD(steps=5, step_size=0.3)  # the learner's opponent

    def loss(
        self,
        model: hf.training.Learner,
        batch: hf.data.Batch,
        found: Tensor,
        threat: hf.ThreatModel,
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return (B,) from one call of the model, the clean inputs first."""
        clean, attacked = model(torch.cat((batch.x, found))).chunk(2)
        on_clean = hf.training.smoothed(clean, batch.y, smoothing)
        on_attacked = hf.training.smoothed(attacked, batch.y, smoothing)
        return self.share * on_clean + (1 - self.share) * on_attacked


def main() -> None:
    """Check the method, train with it and with Madry's, and evaluate both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="example")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--n", type=int, default=200, help="test examples")
    options = parser.parse_args()

    # What every method must hold: the model stays as it was, one finite loss per example.
    hf.testing.check_method(Mixed())

    threat = hf.ThreatModel(hf.Linf(eps=0.1))
    claims = []
    for name, method in (("mixed", Mixed(share=0.5)), ("madry", "madry")):
        folder = f"{options.out}/own_method"
        result = hf.train(
            "mlp",
            "digits",
            threat=threat,
            method=method,
            epochs=options.epochs,
            out=f"{folder}/{name}",
            resume=True,
            quiet=True,
        )
        claim = hf.evaluate(
            result.model,
            "digits",
            threat=threat,
            suite="quick",
            out=f"{folder}/claim-{name}",
            n=options.n,
            quiet=True,
        )
        print(f"{name}: {claim}")
        claims.append(claim)

    # The method stands in the run, in the claim and in the report, with its fields.
    print("report:", hf.report(claims, f"{options.out}/own_method/report.html"))


if __name__ == "__main__":
    main()
