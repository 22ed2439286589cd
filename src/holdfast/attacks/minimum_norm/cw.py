"""Carlini and Wagner's L2 attack: squared norm plus c times the margin, with a search for c."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.attacks.minimum_norm.boundary_walk import ROUNDS, Bracket, refine
from holdfast.attacks.minimum_norm.steps import slope
from holdfast.attacks.minimum_norm.tradeoff import BinarySearchConst, TanhSpace
from holdfast.components import register
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm
from holdfast.threat import Normed, Trait
from holdfast.units import Count, NotNegative, OfSearch, Positive

_CHECKS = 10  # of progress in each search, to stop early
_GAIN = 1e-4  # share by which the objective must have fallen since the last check


@register("attack")
@dataclass(frozen=True, kw_only=True)
class CW(Attack):
    """Minimize |change|^2 + c * max(-margin, -confidence), for the smallest c that works.

    Carlini and Wagner, 2017, arXiv:1608.04644, sec. VI (L2). The range is kept by a change of
    variables, Adam takes the steps, each example has a c of its own; the result is refined along
    the tangent planes of the boundary.
    """

    needs = (Trait.VECTOR, Normed, Trait.EUCLIDEAN)
    nearest = True
    spends = Passes(
        f"at most binary_search_steps x steps + {2 * ROUNDS + 2}",
        f"binary_search_steps x steps + 1 + {ROUNDS} x candidates",
    )

    steps: Count = 1000  # of each search
    binary_search_steps: Count = 9  # values of c
    learning_rate: OfSearch = 0.01  # Adam's, in the coordinates of the search
    initial_const: Positive = 0.1  # the first c; the margin is taken over its slope at x, a length
    confidence: NotNegative = 0.0  # how far beyond the boundary, as such a length
    candidates: Count = 9  # wrong classes whose boundaries are linearized at the end

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(Margin())
        x = region.center()
        here, grad = value_and_grad(objective, region, x, rng.fold("slope"))
        yield here
        best, steep = Bracket(region, here), slope(region, here, grad)
        const = BinarySearchConst(torch.full_like(steep, self.initial_const))
        for i in range(self.binary_search_steps):
            reached = torch.zeros_like(steep, dtype=torch.bool)
            tanh_space = TanhSpace(region, x if start is None else start, self.learning_rate)
            progress = _Progress(steep)
            for k in range(self.steps):
                here, grad = value_and_grad(
                    objective, region, tanh_space.z, rng.fold("search", i).at(k)
                )
                yield here
                best.update(here)
                reached = reached | (here.loss > self.confidence * steep)
                reached = reached | ((here.harm > here.edge) & (self.confidence == 0))
                short = self.confidence - here.loss / steep  # a length
                value = norm(here.z - x, 2).square() + const.c * short.clamp_min(0)
                if (k + 1) % max(self.steps // _CHECKS, 1) == 0 and progress.all_settled(value):
                    break
                pull = torch.where(short > 0, const.c, 0.0) / steep
                tanh_space.step(2 * (here.z - x) - expand_like(pull, grad) * grad, progress.settled)
            const.update(reached)
        yield from refine(objective, region, best, rng.fold("polish"), self.candidates)


class _Progress:
    """Early stopping: the examples whose objective has stopped falling."""

    def __init__(self, like: Tensor) -> None:
        self.checked = torch.full_like(like, torch.inf)
        self.settled = torch.zeros_like(like, dtype=torch.bool)

    def all_settled(self, value: Tensor) -> bool:
        """Stop the examples whose objective has hardly fallen; return True if all have stopped.

        A stopped example stays at the point just scored while the search goes on for others.
        """
        self.settled = self.settled | ~(value < (1 - _GAIN) * self.checked)
        self.checked = value
        return bool(self.settled.all())
