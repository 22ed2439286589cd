"""Output-diversified starts, and one run towards each target from such a start."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.core.preset import Preset
from holdfast.attacks.core.starts import Start, Uniform
from holdfast.attacks.core.wrapper import Wrapper
from holdfast.attacks.gradient.pgd import PGD
from holdfast.attacks.wrappers.restarts import EachTarget
from holdfast.components import register
from holdfast.logits import unmasked
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Region
from holdfast.units import Count, OfRadius, Positive


@dataclass(frozen=True, eq=False)
class _RandomLogitDirection(Loss):
    """A random combination of the logits: a direction in the space of outputs."""

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
class ODI(Wrapper):
    """An attack that starts where a random combination of the logits is large.

    Tashiro et al., 2020, arXiv:2003.06878, eqs. 2 and 3. Noise in the inputs hardly changes the
    outputs; starts that differ in the outputs lead restarts to different places.
    """

    spends = Passes("diversify + attack", "diversify + attack")

    attack: Attack = PGD(loss=Margin())
    diversify: Count = 2  # steps towards the random combination
    diversify_size: Positive = 1.0  # of these steps, as a fraction of the radius
    start: Start = Uniform()

    def iterate(self, objective: Objective, region: Region, rng: Rng, start: Tensor | None) -> Walk:
        random = objective.using(_RandomLogitDirection(rng.fold("direction")))
        z = self.start(region, rng) if start is None else start
        for k in range(self.diversify):
            here, grad = value_and_grad(random, region, z, rng.at(k, of=self.diversify))
            yield here
            z = region.project(region.step(here.z, grad, self.diversify_size))
        yield from self.attack.iterate(objective, region, rng.fold("then"), z)


@register("attack")
@dataclass(frozen=True, kw_only=True)
class MultiTargeted(Preset):
    """PGD on the margin towards each likely class, from output-diversified starts.

    Gowal et al., 2019, arXiv:1910.09338, sec. 3 (the targets), and Tashiro et al., 2020, sec. 4.2.
    """

    steps: Count = 20
    step_size: OfRadius = 0.25  # fraction of the radius
    top: Count = 9  # likeliest wrong classes
    diversify: Count = 2  # steps towards a random combination of the logits

    def chosen(self) -> EachTarget:
        pgd = PGD(steps=self.steps, step_size=self.step_size, loss=Margin())
        return EachTarget(attack=ODI(attack=pgd, diversify=self.diversify), top=self.top)

    def parts(self) -> tuple[Attack, ...]:
        return self.chosen().parts()

    def travel(self) -> float | None:
        return self.steps * self.step_size
