"""JSMA: changes to the pair of coordinates of largest saliency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Unscored, Walk, evaluate, value_and_grad
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.logits import best_other, of_class, unmasked
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, norm
from holdfast.threat import CountsCoordinates, Trait
from holdfast.units import Count, OfRange

CANDIDATES = 128  # places of largest saliency alone, of which pairs are formed


@register("attack", name="jsma")
@dataclass(frozen=True, kw_only=True)
class JSMA(Attack):
    """Change two places at a time by their saliency (Papernot et al., 2016, algorithm 3).

    arXiv:1511.07528, eqs. 8 and 9, on logits: a pair must raise the target's logit and lower the
    sum of all others. Each coordinate moves up or down, by the larger gain. Without a target, the
    likeliest wrong class at each step is the target.
    """

    needs = (Trait.VECTOR, CountsCoordinates)
    nearest = True
    spends = Passes("at most 2 x steps + 3", "2 x steps")

    steps: Count = 100  # pairs
    theta: OfRange = 1.0  # change of a coordinate, in widths of the range (theta)

    def iterate(
        self, objective: Objective, region: CountsCoordinates, rng: Rng, start: Tensor | None
    ) -> Walk:
        wanted, others = objective.using(_Wanted()), objective.using(_Others())
        length = self.theta * (region.range[1] - region.range[0])
        z = before = region.center() if start is None else start
        for k in range(self.steps):
            here, gain = value_and_grad(wanted, region, z, rng.at(k))
            yield here
            beyond = here.harm > here.edge
            if bool(beyond.all()):
                break
            _, loss = value_and_grad(others, region, z, rng.at(k))
            moves = _Moves.of(region, here.z, length, gain, loss)
            move = torch.where(region.expand_places(moves.best_pair()), moves.change, 0.0)
            ahead = region.project(here.z + move)
            before = torch.where(expand_like(beyond, z), before, here.z)
            z = torch.where(expand_like(beyond, z), here.z, ahead)
        moved = region.by_place(z != before).any(1)
        first = moved & (moved.cumsum(1) == 1)
        for one in (first, moved & ~first):  # one place of the last pair may be enough
            half = torch.where(region.expand_places(one), z, before)
            yield evaluate(objective, region, half, rng.at(self.steps))
        yield Unscored(z)


class _Moves(NamedTuple):
    """The better move of each coordinate, and the changes of logits that the gradients predict."""

    change: Tensor  # (B, ...) 0 where it cannot move
    gain: Tensor  # (B, P) of the target's logit
    loss: Tensor  # (B, P) of the other classes' logits, together
    able: Tensor  # (B, P) bool: True if it can move

    @classmethod
    def of(
        cls, region: CountsCoordinates, z: Tensor, length: float, gain: Tensor, others: Tensor
    ) -> _Moves:
        """Return the moves of at most `length` within the range."""
        low, high = region.range
        peak = torch.maximum(norm(gain, torch.inf), norm(others, torch.inf))
        scale = expand_like(torch.where(peak > 0, peak, 1.0), gain)
        up, down, before = gain / scale, -others / scale, z - region.center()
        rise = torch.where(before < 0, 0.0, (high - z).clamp(0, length))
        fall = torch.where(before > 0, 0.0, (z - low).clamp(0, length))  # none moves back
        change = torch.where(up + down >= 0, rise, -fall)
        raised, lowered = (region.by_place(change * side).sum(1) for side in (up, down))
        return cls(change, raised, lowered, region.by_place(change != 0).any(1))

    def best_pair(self) -> Tensor:
        """Return (B, P) bool: the two places of largest saliency.

        Where no pair does both, the two of largest gain and loss together.
        """
        alone = torch.where(self.able, self.gain + self.loss, -torch.inf)
        place = alone.topk(min(CANDIDATES, alone.shape[1]), dim=1).indices
        width = place.shape[1]
        gain, loss = (_pairs(part.gather(1, place)) for part in (self.gain, self.loss))
        single = torch.eye(width, dtype=torch.bool, device=place.device)
        apart = ~single if width > 1 else single  # a place is no pair with itself
        salient = (gain > 0) & (loss > 0) & apart
        score = torch.where(salient, gain * loss, -1.0).flatten(1)
        other = torch.where(apart, gain + loss, -torch.inf).flatten(1)
        best = torch.where(salient.flatten(1).any(1), score.argmax(1), other.argmax(1))
        pair = torch.stack([best // width, best % width], dim=1)
        return torch.zeros_like(self.able).scatter(1, place.gather(1, pair), True)


def _pairs(values: Tensor) -> Tensor:
    """Return (B, k, k): the sums of any two of (B, k)."""
    return values[:, :, None] + values[:, None]


@dataclass(frozen=True)
class _Wanted(Loss):
    """The logit of the target, or of the likeliest wrong class."""

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        return best_other(logits, y)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return of_class(logits, target)


@dataclass(frozen=True)
class _Others(Loss):
    """The sum of all other logits, but for classes that are masked."""

    def away(self, logits: Tensor, y: Tensor, reference: Tensor | None = None) -> Tensor:
        return unmasked(logits).sum(1) - best_other(logits, y)

    def towards(
        self, logits: Tensor, rival: Tensor, target: Tensor, reference: Tensor | None = None
    ) -> Tensor:
        return unmasked(logits).sum(1) - of_class(logits, target)
