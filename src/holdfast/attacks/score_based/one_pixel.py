"""One pixel: differential evolution over the positions and colors of a few pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, evaluate
from holdfast.attacks.core.passes import Passes
from holdfast.components import register
from holdfast.losses import Loss, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import CountsCoordinates, Knowledge
from holdfast.units import Count, Within

PARENTS = 3  # members combined into a child, all different from the one that it may replace
Scale = Annotated[float, Within(0, 2, above=True)]


@register("attack", name="one_pixel")
@dataclass(frozen=True, kw_only=True)
class OnePixel(Attack):
    """Differential evolution over few pixels (Su et al., 2019, arXiv:1710.08864, sec. 3).

    Each example has a population of its own; a member is a place and a color for each pixel that
    may change. A child takes the place of the member with its number if it is no worse.
    """

    needs = (CountsCoordinates,)
    knowledge = Knowledge.SCORE
    spends = Passes("queries")

    queries: Count = 40_400  # the first population and a hundred generations
    population: Annotated[int, Within(PARENTS + 1)] = 400  # members of a generation
    scale: Scale = 0.5  # of the difference of two members that is added to a third
    loss: Loss | None = Margin()

    def iterate(
        self, objective: Objective, region: CountsCoordinates, rng: Rng, start: Tensor | None
    ) -> Walk:
        objective = objective.using(self.loss)
        left, k = self.queries, 0
        if start is not None:
            yield evaluate(objective, region, start, rng)
            left -= 1
        genes, fitness = None, None
        while left > 0:
            at = rng.at(k)
            children = self._first(region, at) if genes is None else self._next(genes, at)
            now = min(left, self.population)
            scores = []
            for member in children[:, :, :now].unbind(2):
                here = evaluate(objective, region, paint(region, member), at)
                yield here
                scores.append(here.loss.double().nan_to_num(-1e30, 1e30, -1e30))
            scored = torch.stack(scores, 1)
            left, k = left - now, k + 1
            if genes is None or fitness is None:
                genes, fitness = children, scored
            elif now == self.population:
                better = scored >= fitness
                genes = torch.where(better[:, None, :, None], children, genes)
                fitness = torch.where(better, scored, fitness)

    def _first(self, region: CountsCoordinates, at: Rng) -> Tensor:
        """Return (B, pixels, population, 2 + channels): uniform places, Gaussian colors."""
        channels, rows, columns = region.grid
        most = int(region.radius.max()) if len(region.radius) else 1
        pixels = min(max(most, 1), rows * columns)
        places = at.fold("place").uniform((pixels, self.population, 2))
        colors = at.fold("color").normal((pixels, self.population, channels))
        return torch.cat([places, (0.5 + 0.5 * colors).clamp(0, 1)], 3)

    def _next(self, genes: Tensor, at: Rng) -> Tensor:
        """Return a child for each member: one member plus the scaled difference of two others.

        A place outside the image is drawn anew, a color outside the range is set to its end.
        """
        one, plus, minus = (
            genes.take_along_dim(who[:, None, :, None], 2) for who in others(self.population, at)
        )
        child = one + self.scale * (plus - minus)
        places, colors = child[..., :2], child[..., 2:].clamp(0, 1)
        fresh = at.fold("place").uniform(tuple(places.shape[1:]))
        outside = (places < 0) | (places >= 1)
        return torch.cat([torch.where(outside, fresh, places), colors], 3)


def others(population: int, at: Rng) -> list[Tensor]:
    """Return three of (B, population) int64: other members than each, no two of them the same."""
    own = torch.arange(population, device=at.ids.device).expand(len(at.ids), -1)
    taken = [own]
    for i in range(PARENTS):
        who = at.fold("parent", i).integers(0, population - 1 - i, (population,))
        for other in torch.stack(taken).sort(0).values:  # count on past those that are taken
            who = who + (who >= other)
        taken.append(who)
    return taken[1:]


def paint(region: CountsCoordinates, member: Tensor) -> Tensor:
    """Return x with the pixels of one member of each example, (B, pixels, 2 + channels).

    An example whose radius is less than the number of pixels gets the first of them.
    """
    channels, rows, columns = region.grid
    low, high = region.x.new_tensor(region.range)
    z = region.x.reshape(len(region.x), channels, rows * columns)
    row, column = (member[..., :2] * member.new_tensor([rows, columns])).long().unbind(2)
    place = row.clamp_max(rows - 1) * columns + column.clamp_max(columns - 1)
    colors = (low + (high - low) * member[..., 2:].to(z.dtype)).clamp(low, high)
    for i in range(member.shape[1]):  # one after the other: two of them may be at one place
        where = place[:, i, None, None].expand(-1, channels, 1)
        may = (i < region.radius.floor())[:, None, None]
        z = z.scatter(2, where, torch.where(may, colors[:, i, :, None], z.gather(2, where)))
    return z.reshape(region.x.shape)
