"""Random search and gradient estimates from scores."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import torch
from torch import Tensor

from holdfast.attacks.core.base import Scored, evaluate
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import expand_like, select
from holdfast.threat import Dense, Region

Draw = Callable[[Tensor, Rng], Tensor]  # a random direction of the shape of z
Propose = Callable[[Tensor, Rng], Tensor]  # a random neighbor of z


def cube(region: Dense) -> Tensor:
    """Return (B, 1, ..., 1): half the side of the largest cube in the set, range aside."""
    return expand_like(region.cube(), region.x)


def random_search(
    objective: Objective, region: Region, z: Tensor, rng: Rng, *, queries: int, propose: Propose
) -> Iterator[Scored]:
    """Yield z, then one proposal a query from each example's best point, `queries` in all."""
    here = evaluate(objective, region, z, rng)
    yield here
    loss = here.loss
    for k in range(1, queries):
        at = rng.at(k, of=queries)
        here = evaluate(objective, region, propose(z, at), at)
        yield here
        better = here.loss > loss
        if bool(better.any()):  # late in a search few queries help: skip the copies then
            z = select(better, here.z, z)
            loss = torch.where(better, here.loss, loss)


def steps_within(queries: int, pairs: int) -> Iterator[int]:
    """Yield how many pairs each step probes so that all queries add up to `queries`.

    One query before the first step and one after each are counted. Once less than a pair is left,
    the remaining steps have no probes.
    """
    left = queries - 1
    while left > 0:
        now = min(pairs, (left - 1) // 2)
        left -= 2 * now + 1
        yield now


def antithetic_difference(
    objective: Objective, region: Region, z: Tensor, move: Tensor, at: Rng
) -> Generator[Scored, None, Tensor]:
    """Yield z + move and z - move, projected onto the set; return their difference in loss, (B,).

    Every probe is a point of the set, and so a candidate. The difference is zero where a loss is
    not a finite number.
    """
    ahead = evaluate(objective, region, region.project(z + move), at)
    yield ahead
    behind = evaluate(objective, region, region.project(z - move), at)
    yield behind
    return (ahead.loss - behind.loss).nan_to_num(0.0, 0.0, 0.0)


def estimate_gradient(
    objective: Objective, region: Region, z: Tensor, at: Rng, *, draw: Draw, pairs: int, size: float
) -> Generator[Scored, None, Tensor]:
    """Yield 2 x pairs probes around z; return the gradient estimated from them, (B, ...).

    The sum of (loss(z + size u) - loss(z - size u)) u over antithetic directions u (Ilyas et al.,
    2018, algorithm 1; Uesato et al., 2018, eq. 6), up to a positive factor.
    """
    total = torch.zeros_like(z)
    for i in range(pairs):
        u = draw(z, at.fold("probe", i))
        change = yield from antithetic_difference(objective, region, z, size * u, at)
        total = torch.addcmul(total, u, expand_like(change.to(z.dtype), z))
    return total
