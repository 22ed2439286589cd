"""Write a set of allowed changes of your own: a cast of color, one number per channel.

python examples/own_space.py
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

import holdfast as hf


@hf.register("space")
@dataclass(frozen=True, kw_only=True)
class Cast(hf.threat.Space):
    """One number per channel, at most eps, is added to all of its pixels, cut to the range."""

    lengths: ClassVar[bool] = True  # eps is a length in the units of the data

    eps: hf.units.Number
    range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse an eps that means nothing."""
        widest = self.range[1] - self.range[0]
        hf.threat.check_ball(self, "Cast", widest, "write 0.1 for a tenth of the range")

    def around(self, x: Tensor, radius: float | Tensor | None = None) -> CastRegion:
        """Return the set around a batch of images (B, C, H, W)."""
        if x.dim() != 4:
            raise hf.InputError(f"Cast changes images (B, C, H, W), got {tuple(x.shape)}")
        return CastRegion(x, hf.threat.radii(radius, self, x), self.range)

    def sentence(self) -> str:
        """Return the set in words, for claims and reports."""
        return f"one shift per channel of at most {self.eps_text}"


class CastRegion:
    """The set around one batch. A point z is (B, C, 1, 1): the shifts."""

    traits: ClassVar[frozenset[hf.threat.Trait]] = frozenset({hf.threat.Trait.VECTOR})

    def __init__(self, x: Tensor, radius: Tensor, range: tuple[float, float]) -> None:
        self.x, self.radius, self.range = x, radius, range
        self.reach = radius[:, None, None, None]

    def center(self) -> Tensor:
        """Return the point that changes nothing."""
        return self.x.new_zeros(*self.x.shape[:2], 1, 1)

    def init(self, at: hf.Rng) -> Tensor:
        """Return a random point: a function of the example's id, never of a global generator."""
        return self.reach * at.uniform((self.x.shape[1], 1, 1), -1.0, 1.0).to(self.x.dtype)

    def scatter(self, at: hf.Rng) -> Tensor:
        """Return a random point for training, which may begin where no input is valid."""
        return self.init(at)

    def lift(self, z: Tensor, at: hf.Rng) -> Tensor:
        """Return the input of a point, differentiable in z."""
        return (self.x + z).clamp(*self.range)

    def realize(self, z: Tensor, at: hf.Rng) -> Tensor:
        """Return the input that is scored; only a set with a relaxed view differs from `lift`."""
        return self.lift(z, at)

    def project(self, z: Tensor) -> Tensor:
        """Return the nearest point of the set."""
        return torch.clamp(z, -self.reach, self.reach)

    def step(self, z: Tensor, grad: Tensor, fraction: float | Tensor) -> Tensor:
        """Take the steepest step of fraction x radius; a fraction may be one per example."""
        return z + (self.radius * fraction)[:, None, None, None] * grad.sign()

    def size(self, z: Tensor) -> Tensor:
        """Return (B,): the largest shift."""
        return z.abs().amax((1, 2, 3))

    def contains(self, x_adv: Tensor) -> Tensor:
        """Audit in float64, (B,) bool, without `project` and `realize`.

        A pixel that was not cut tells the shift, one that was cut says that it is no smaller.
        """
        low, high = self.range
        found, shift = x_adv.double(), x_adv.double() - self.x.double()
        least = shift.where(found > low, -torch.inf).amax((2, 3))  # (B, C)
        most = shift.where(found < high, torch.inf).amin((2, 3))
        slack = (1e-6 * self.radius.double() + 2.0**-24 * max(abs(low), abs(high)))[:, None]
        reach = self.radius.double()[:, None] + slack
        one = (least <= most + 2 * slack) & (least <= reach) & (most >= -reach)
        return one.all(1) & ((found >= low) & (found <= high)).flatten(1).all(1)

    def take(self, idx: Tensor) -> CastRegion:
        """Return the set of some of the examples."""
        return CastRegion(self.x[idx], self.radius[idx], self.range)


def main() -> None:
    """Check the set, train within it, and evaluate by the attacks that fit it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="example")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--n", type=int, default=200, help="test examples")
    options = parser.parse_args()

    # What every set must hold: its own points pass its audit, steps climb, batch mates are apart.
    hf.testing.check_space(Cast(eps=0.3))

    # Whatever takes a set takes this one. Training walks in it, too.
    threat = hf.ThreatModel(Cast(eps=0.3))
    model = hf.train(
        "mlp",
        "digits",
        threat=threat,
        epochs=options.epochs,
        out=f"{options.out}/own_space/run",
        resume=True,
        quiet=True,
    ).model

    # An attack that needs more of a set than this one offers says so, with those that fit.
    x, y = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    try:
        hf.attack(model, x, y, threat=threat, attack="square")
    except hf.Unsupported as refusal:
        print(refusal)
    apgd = hf.Member(name="apgd", attack=hf.attacks.APGD(steps=20))
    tries = hf.Member(name="random", attack=hf.attacks.RandomSearch(queries=50))
    suite = hf.Suite(name="cast-1", members=(apgd, tries))
    claim = hf.evaluate(
        model,
        "digits",
        threat=threat,
        suite=suite,
        out=f"{options.out}/own_space/claim",
        n=options.n,
        quiet=True,
    )
    print(claim)


if __name__ == "__main__":
    main()
