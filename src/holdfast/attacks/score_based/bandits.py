"""Bandits: a running gradient estimate, updated by every pair of queries."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import as_image, expand_like, normalize
from holdfast.threat import Dense, Knowledge, Trait
from holdfast.units import Count, OfRadius, Positive


@register("attack")
@dataclass(frozen=True, kw_only=True)
class Bandits(Attack):
    """Bandit optimization with priors in time and in data (Ilyas et al., 2019, algorithms 2, 3).

    Steps follow a running estimate (time) that is constant over tiles (data).
    """

    needs = (Trait.VECTOR, Dense)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 5000
    tiles: Count = 50  # along each side of the input, at most one a pixel
    sigma: Positive = 0.1  # Euclidean length of a probe, in the units of the data
    exploration: Positive = 1.0  # length of the noise on the estimate, which has length 1
    prior_step: Positive = 0.1  # learning rate of the estimate, per pair of queries
    step_size: OfRadius = 0.2  # fraction of the radius
    loss: Loss | None = Margin()

    def iterate(self, objective: Objective, region: Dense, rng: Rng, start: Tensor | None) -> Walk:
        objective = objective.using(self.loss)
        z = region.center() if start is None else start
        tiling = _Tiling(z, self.tiles)
        prior, typical = tiling.empty(), torch.zeros(len(z), dtype=torch.float64, device=z.device)
        if self.queries % 2 == 0:
            yield evaluate(objective, region, z, rng.at(0))
        for k in range(1, (self.queries + 1) // 2):
            at = rng.at(k)
            noise = self.exploration * normalize(at.normal(tuple(prior.shape[1:])).to(z.dtype), 2)
            sides = []
            for side in (noise, -noise):
                probe = self.sigma * normalize(tiling.full(normalize(prior, 2) + side), 2)
                here = evaluate(objective, region, region.project(z + probe), at)
                yield here
                sides.append(here.loss)
            change = (sides[0] - sides[1]).nan_to_num(0.0, 0.0, 0.0).double()
            typical = typical + change.square()
            usual = (typical / k).sqrt()
            relative = torch.where(usual > 0, change / torch.where(usual > 0, usual, 1.0), 0.0)
            prior = prior + self.prior_step * expand_like(relative.to(z.dtype), prior) * noise
            z = region.project(region.step(z, tiling.full(prior), self.step_size))
        yield evaluate(objective, region, z, rng.at(self.queries))


class _Tiling:
    """The map between an input and a coarser one with a single value per tile."""

    def __init__(self, z: Tensor, most: int) -> None:
        self.z = z
        self.channels, height, width = as_image(z)
        self.rows, self.columns = min(height, most), min(width, most)
        self.row = torch.arange(height, device=z.device) * self.rows // height
        self.column = torch.arange(width, device=z.device) * self.columns // width

    def empty(self) -> Tensor:
        """Return zeros, (B, channels, rows, columns)."""
        return self.z.new_zeros(len(self.z), self.channels, self.rows, self.columns)

    def full(self, coarse: Tensor) -> Tensor:
        """Return (B, ...): each coordinate with the value of its tile."""
        return coarse[:, :, self.row][..., self.column].reshape(self.z.shape)
