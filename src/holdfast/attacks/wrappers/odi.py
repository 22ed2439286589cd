"""Output-diversified starts, and one run towards each target from such a start."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Demands, Walk, climb
from holdfast.attacks.core.starts import Start, Uniform
from holdfast.attacks.core.validation import at_least, positive
from holdfast.attacks.gradient.pgd import PGD
from holdfast.attacks.wrappers.restarts import EachTarget
from holdfast.components import register
from holdfast.logits import unmasked
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import OfRadius


@dataclass(frozen=True, eq=False)
class _Weighted(Loss):
    """A random combination of the logits: a direction in what the network says."""

    at: Rng

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        weights = self.at.uniform((logits.shape[1],), -1.0, 1.0).to(logits)
        return (weights * unmasked(logits)).sum(1)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return self.away(logits, target)


@register("attack", name="odi")
@dataclass(frozen=True, kw_only=True)
class ODI(Attack):
    """An attack that starts where a random combination of the logits is large.

    Tashiro et al., 2020, arXiv:2003.06878, eqs. 2 and 3. Noise in the inputs hardly moves what the
    network says; starts that differ in the outputs lead restarts to different places.
    """

    attack: Attack = PGD(loss=Margin())
    diversify: int = 2  # steps towards the random combination
    diversify_size: float = 1.0  # of these steps, as a fraction of the radius
    start: Start = Uniform()

    def __post_init__(self) -> None:
        at_least(self.diversify, 1, "diversify")
        positive(self.diversify_size, "diversify_size")

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        random = objective.using(_Weighted(rng.fold("direction")))
        z = self.start(region, rng) if start is None else start
        for k in range(self.diversify):
            here, grad = climb(random, region, z, rng.at(k, of=self.diversify))
            yield here
            z = region.project(region.step(here.z, grad, self.diversify_size))
        yield from self.attack.iterate(objective, region, rng.fold("then"), z)

    def demands(self) -> Demands:
        return self.attack.demands()

    def cost(self) -> str:
        return f"diversify x (1 forward, 1 backward) + ({self.attack.cost()})"

    def passes(self) -> tuple[int, int]:
        forward, backward = self.attack.passes()
        return self.diversify + forward, self.diversify + backward


@register("attack")
@dataclass(frozen=True, kw_only=True)
class MultiTargeted(Attack):
    """PGD on the margin towards each likely class, from output-diversified starts.

    Gowal et al., 2019, arXiv:1910.09338, sec. 3 (the targets), and Tashiro et al., 2020, sec. 4.2.
    """

    steps: int = 20
    step_size: OfRadius = 0.25  # fraction of the radius
    top: int = 9  # likeliest wrong classes
    diversify: int = 2  # steps towards a random combination of the logits

    def __post_init__(self) -> None:
        self._runs()  # refuses what cannot be meant

    def parts(self) -> tuple[Attack, ...]:
        return self._runs().parts()

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        return self._runs().iterate(objective, region, rng, start)

    def cost(self) -> str:
        run = "(diversify x (1 forward, 1 backward) + (steps + 1 forward, steps backward))"
        return f"1 forward + at most top x {run}"

    def passes(self) -> tuple[int, int]:
        return self._runs().passes()

    def travel(self) -> float | None:
        return self.steps * self.step_size

    def _runs(self) -> EachTarget:
        pgd = PGD(steps=self.steps, step_size=self.step_size, loss=Margin())
        return EachTarget(attack=ODI(attack=pgd, diversify=self.diversify), top=self.top)
