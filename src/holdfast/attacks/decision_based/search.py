"""What searches that see labels alone share: the start, the bisection and the estimated normal.

All examples ask one question at a time, side by side, each about its own point: a search proposes a
point for every example and learns, of every example, whether it reaches the goal. Whatever a search
remembers, it remembers per example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, ask
from holdfast.attacks.core.directions import dct_waves, normal
from holdfast.attacks.core.passes import Passes
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import as_image, choose, normalize, spread
from holdfast.threat import Knowledge, Normed
from holdfast.tree import positions, take

RESERVE = 12  # questions that a step and the way back to the boundary take, about
FINEST = 1e-6  # no bracket is cut below this share of its first width


class Search(Protocol):
    """A search along the boundary between what reaches the goal and what does not."""

    def begin(self, z: Tensor, new: Tensor) -> None:
        """Take z (B, ...), which reaches the goal, as the first point of the examples `new`."""
        ...

    def propose(self, at: Rng, left: int) -> Tensor:
        """Return the point (B, ...) to ask about; `left` questions are left after it."""
        ...

    def learn(self, z: Tensor, reached: Tensor, open_: Tensor) -> None:
        """Take the answers about z into account where `open_`, (B,) bool."""
        ...


class BoundarySearch(Attack):
    """Base class of the searches that walk along the boundary and see labels alone."""

    knowledge = Knowledge.DECISION
    nearest = True
    spends = Passes("queries")

    queries: int

    def search(self, region: Normed) -> Search:
        """Return a search around the inputs of the region."""
        raise NotImplementedError

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        """Yield as many points as there are queries, beginning with the unchanged input.

        Then come the start and noise until one of them reaches the goal; then what the search
        proposes. An example that no start brings to the goal goes on looking for one; an input that
        is wrong already stays where it is.
        """
        search = self.search(region)
        home = open_ = torch.zeros_like(region.radius, dtype=torch.bool)
        for k in range(self.queries):
            at = rng.at(k)
            z = region.center()
            if k and not bool((open_ | home).all()):
                first = (
                    start if k == 1 and start is not None else noise(region, at.fold("start"), k)
                )
                z = choose(home, z, first)
            if bool(open_.any()):
                z = choose(open_, search.propose(at, self.queries - k - 1), z)
            point, reached = ask(objective, region, z, at)
            yield point
            search.learn(z, reached, open_)
            home = reached if k == 0 else home
            new = reached & ~open_ & ~home
            if bool(new.any()):
                search.begin(z, new)
                open_ = open_ | new


def noise(region: Normed, at: Rng, k: int) -> Tensor:
    """Return random valid inputs, (B, ...): in turn any, of two values, and dark or bright ones."""
    x = region.center()
    share = at.uniform(tuple(x.shape[1:]))
    if k % 3 == 2:
        share = share.round()
    elif k % 3 == 0:
        dark = share * spread(at.fold("end").uniform(), share)
        share = choose(at.fold("dark").uniform() < 0.5, dark, 1 - dark)
    low, high = region.range
    return region.project(low + (high - low) * share.to(x.dtype))


def unit(direction: Tensor) -> Tensor:
    """Return each example's direction at Euclidean length 1; zero stays zero."""
    return normalize(normalize(direction, torch.inf), 2)


def fill(z: Tensor, which: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """Return z with what `make` has for the examples in `which`, given their positions.

    The others are not computed: examples are at different places of their cycles most of the time.
    """
    rows = positions(which)
    return z.index_copy(0, rows, make(rows)) if len(rows) else z


def drawn_in(region: Normed, which: Tensor, radius: Tensor, far: Tensor, z: Tensor) -> Tensor:
    """Return z with `far` projected onto the ball of `radius` (B,) for the examples in `which`."""
    return fill(
        z,
        which,
        lambda rows: region.take(rows).at(take(radius, rows)).project(take(far, rows)),
    )


def last_share(wanted: Tensor, left: int) -> Tensor:
    """Return how many of the `left` questions to ask about a normal.

    As many as `wanted`; all that a last step can spare where that leaves too few for another.
    """
    spare = float(left - RESERVE)
    last = spare - wanted < wanted / 2 + RESERVE
    return torch.where(last, spare, wanted).clamp_min(1)


class Bisection:
    """Where each example's boundary lies along a path: `high` reaches the goal, `low` does not.

    It begins at `high` with steps down that double, from a share `gap` of it, and goes on by halves
    once one of them fails.
    """

    def __init__(self, like: Tensor, tolerance: float) -> None:
        self.low = self.high = self.floor = self.gap = torch.zeros_like(like)
        self.tolerance = tolerance

    def open(self, new: Tensor, high: Tensor, gap: float | Tensor = 0.5) -> None:
        """Start over where `new`, between 0 and `high`."""
        self.low = torch.where(new, 0.0, self.low)
        self.high = torch.where(new, high, self.high)
        self.gap = torch.where(new, gap * high, self.gap)
        self.floor = torch.where(new, FINEST * high, self.floor)

    @property
    def middle(self) -> Tensor:
        """Return (B,): where to ask next."""
        return torch.maximum(self.high - self.gap, (self.low + self.high) / 2)

    def learn(self, reached: Tensor, asked: Tensor) -> None:
        """Narrow the brackets that `asked`."""
        middle = self.middle
        self.gap = torch.where(asked, torch.where(reached, 2 * self.gap, torch.inf), self.gap)
        self.high = torch.where(asked & reached, middle, self.high)
        self.low = torch.where(asked & ~reached, middle, self.low)

    @property
    def narrow(self) -> Tensor:
        """Return (B,) bool: no wider than the tolerance, a share of the upper end."""
        return self.high - self.low <= torch.maximum(self.tolerance * self.high, self.floor)


class Normal:
    """The boundary's normal, towards the goal, from answers about random steps away from it.

    The mean of (phi - mean phi) u over steps u with answers phi of -1 and 1 (Chen et al., 2020,
    eq. 16); where all answers agree, the mean step, towards the goal.
    """

    def __init__(self, like: Tensor, size: Tensor) -> None:
        self.steps = self.signed = torch.zeros_like(like)
        self.count = self.total = torch.zeros_like(size)

    def clear(self, new: Tensor) -> None:
        """Forget the answers of the examples `new`."""
        if not bool(new.any()):
            return
        nothing = torch.zeros_like(self.steps)
        self.steps, self.signed = (
            choose(new, nothing, self.steps),
            choose(new, nothing, self.signed),
        )
        self.count = torch.where(new, 0.0, self.count)
        self.total = torch.where(new, 0.0, self.total)

    def learn(self, step: Tensor, reached: Tensor, asked: Tensor) -> None:
        """Take the answer about one step (B, ...) into account where `asked`."""
        sign = torch.where(reached, 1.0, -1.0).to(step.dtype)
        sign = torch.where(asked, sign, 0.0)
        self.steps = torch.addcmul(self.steps, step, spread(sign.abs(), step))
        self.signed = torch.addcmul(self.signed, step, spread(sign, step))
        self.count = self.count + asked
        self.total = self.total + sign

    def estimate(self, rows: Tensor) -> Tensor:
        """Return the direction, (n, ...), of Euclidean length 1 of the examples at `rows`."""
        steps, signed = take(self.steps, rows), take(self.signed, rows)
        mean = take(self.total, rows) / take(self.count, rows).clamp_min(1)
        base = torch.where(mean.abs() < 1, mean, 0.0)
        return unit(signed - spread(base, steps) * steps)


def waves(x: Tensor, at: Rng, share: float) -> Tensor:
    """Return Gaussian noise, (B, ...), of the lowest `share` of the frequencies along each axis."""
    channels, height, width = as_image(x)
    rows, columns = (max(round(share * side), 1) for side in (height, width))
    if (rows, columns) == (height, width):
        return normal(x, at)
    spectrum = at.normal((channels, rows, columns)).to(x.dtype)
    down, across = (
        dct_waves(torch.arange(count), length).to(x)
        for count, length in ((rows, height), (columns, width))
    )
    return ((down.T @ spectrum) @ across).reshape(x.shape)
