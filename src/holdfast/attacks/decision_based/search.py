"""Decision-based search: starting points, bisection, and estimates of the boundary's normal.

All examples query the model side by side, each with a point of its own: a search proposes a point
for every example and is told whether it reaches the attacker's goal. All state is per example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from holdfast.attacks.core.base import Attack, Walk, query
from holdfast.attacks.core.directions import dct_waves, normal
from holdfast.attacks.core.passes import Passes
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import as_image, expand_like, normalize, select
from holdfast.threat import Knowledge, Normed
from holdfast.tree import positions, take

RESERVE = 12  # approximate queries of a step and the bisection after it
FINEST = 1e-6  # no bracket is cut below this share of its first width


class SearchState(Protocol):
    """The state of a search along the decision boundary, for every example."""

    def set_start(self, z: Tensor, new: Tensor) -> None:
        """Take z (B, ...), which reaches the goal, as the first point of the examples `new`."""
        ...

    def propose(self, at: Rng, left: int) -> Tensor:
        """Return the point (B, ...) to query; `left` queries remain after it."""
        ...

    def update(self, z: Tensor, reached: Tensor, active: Tensor) -> None:
        """Take the answers about z into account where `active`, (B,) bool."""
        ...


class BoundarySearch(Attack):
    """Base class of the searches that walk along the boundary and see labels alone."""

    knowledge = Knowledge.DECISION
    nearest = True
    spends = Passes("queries")

    queries: int

    def search(self, region: Normed) -> SearchState:
        """Return a search around the inputs of the region."""
        raise NotImplementedError

    def iterate(self, objective: Objective, region: Normed, rng: Rng, start: Tensor | None) -> Walk:
        """Yield as many points as there are queries, beginning with the unchanged input.

        Then come the start and noise until one of them reaches the goal; then the points that
        the search proposes. An example without a start that reaches the goal keeps drawing; an
        input that is misclassified already stays unchanged.
        """
        search = self.search(region)
        misclassified = active = torch.zeros_like(region.radius, dtype=torch.bool)
        for k in range(self.queries):
            at = rng.at(k)
            z = region.center()
            if k and not bool((active | misclassified).all()):
                first = (
                    start if k == 1 and start is not None else noise(region, at.fold("start"), k)
                )
                z = select(misclassified, z, first)
            if bool(active.any()):
                z = select(active, search.propose(at, self.queries - k - 1), z)
            point, reached = query(objective, region, z, at)
            yield point
            search.update(z, reached, active)
            misclassified = reached if k == 0 else misclassified
            new = reached & ~active & ~misclassified
            if bool(new.any()):
                search.set_start(z, new)
                active = active | new


def noise(region: Normed, at: Rng, k: int) -> Tensor:
    """Return random valid inputs, (B, ...): in turn uniform, binary, and dark or bright ones."""
    x = region.center()
    share = at.uniform(tuple(x.shape[1:]))
    if k % 3 == 2:
        share = share.round()
    elif k % 3 == 0:
        dark = share * expand_like(at.fold("end").uniform(), share)
        share = select(at.fold("dark").uniform() < 0.5, dark, 1 - dark)
    low, high = region.range
    return region.project(low + (high - low) * share.to(x.dtype))


def unit(direction: Tensor) -> Tensor:
    """Return each example's direction at Euclidean length 1; zero stays zero."""
    return normalize(normalize(direction, torch.inf), 2)


def fill(z: Tensor, which: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """Return z with rows `which` replaced by `make(positions)`.

    Only those rows are computed: examples are in different phases most of the time.
    """
    rows = positions(which)
    return z.index_copy(0, rows, make(rows)) if len(rows) else z


def project_to_radius(
    region: Normed, which: Tensor, radius: Tensor, far: Tensor, z: Tensor
) -> Tensor:
    """Return z with `far` projected onto the ball of `radius` (B,) for the examples in `which`."""
    return fill(
        z,
        which,
        lambda rows: region.take(rows).at(take(radius, rows)).project(take(far, rows)),
    )


def probe_budget(wanted: Tensor, left: int) -> Tensor:
    """Return how many of the `left` queries to spend on an estimate of the normal.

    As many as `wanted`; all but the reserve of a last step where that leaves too few for another.
    """
    spare = float(left - RESERVE)
    last = spare - wanted < wanted / 2 + RESERVE
    return torch.where(last, spare, wanted).clamp_min(1)


class Bisection:
    """Bisection for each example's boundary on a path: `high` reaches the goal, `low` does not.

    It begins at `high` with steps down that double, from a share `gap` of it, and goes on by halves
    once one of them fails.
    """

    def __init__(self, like: Tensor, tolerance: float) -> None:
        self.low = self.high = self.floor = self.gap = torch.zeros_like(like)
        self.tolerance = tolerance

    def reset(self, new: Tensor, high: Tensor, gap: float | Tensor = 0.5) -> None:
        """Start over where `new`, between 0 and `high`."""
        self.low = torch.where(new, 0.0, self.low)
        self.high = torch.where(new, high, self.high)
        self.gap = torch.where(new, gap * high, self.gap)
        self.floor = torch.where(new, FINEST * high, self.floor)

    @property
    def middle(self) -> Tensor:
        """Return (B,): the next point to query."""
        return torch.maximum(self.high - self.gap, (self.low + self.high) / 2)

    def update(self, reached: Tensor, asked: Tensor) -> None:
        """Narrow the brackets of the examples that `asked`."""
        middle = self.middle
        self.gap = torch.where(asked, torch.where(reached, 2 * self.gap, torch.inf), self.gap)
        self.high = torch.where(asked & reached, middle, self.high)
        self.low = torch.where(asked & ~reached, middle, self.low)

    @property
    def converged(self) -> Tensor:
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

    def reset(self, new: Tensor) -> None:
        """Forget the answers of the examples `new`."""
        if not bool(new.any()):
            return
        nothing = torch.zeros_like(self.steps)
        self.steps, self.signed = (
            select(new, nothing, self.steps),
            select(new, nothing, self.signed),
        )
        self.count = torch.where(new, 0.0, self.count)
        self.total = torch.where(new, 0.0, self.total)

    def update(self, step: Tensor, reached: Tensor, asked: Tensor) -> None:
        """Take the answer about one step (B, ...) into account where `asked`."""
        sign = torch.where(reached, 1.0, -1.0).to(step.dtype)
        sign = torch.where(asked, sign, 0.0)
        self.steps = torch.addcmul(self.steps, step, expand_like(sign.abs(), step))
        self.signed = torch.addcmul(self.signed, step, expand_like(sign, step))
        self.count = self.count + asked
        self.total = self.total + sign

    def estimate(self, rows: Tensor) -> Tensor:
        """Return the direction, (n, ...), of Euclidean length 1 of the examples at `rows`."""
        steps, signed = take(self.steps, rows), take(self.signed, rows)
        mean = take(self.total, rows) / take(self.count, rows).clamp_min(1)
        base = torch.where(mean.abs() < 1, mean, 0.0)
        return unit(signed - expand_like(base, steps) * steps)


def low_frequency_noise(x: Tensor, at: Rng, share: float) -> Tensor:
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
