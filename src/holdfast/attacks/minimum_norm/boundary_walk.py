"""What walks along a boundary share: planes seen from both sides, and the way back to x."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.core.points import Scored, Unscored, Walk, look
from holdfast.attacks.minimum_norm.linearized import (
    boundaries,
    dot,
    nearest_plane,
    project_onto_plane,
)
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.tensors import choose, norm, spread
from holdfast.threat import Normed

LINE_SEARCH_STEPS = 3  # along the way from x to the nearest success
BEYOND = 1e-4  # of the loss of x: where logits are small, a tie is less than their rounding
ROUNDS = 3  # of a polish; each has two forward passes and one backward pass a boundary


def project_from_origin(region: Normed, z: Tensor, normal: Tensor, gap: Tensor) -> Tensor:
    """Return the valid point nearest to x, (B, ...), with gap + <normal, point - z> = 0.

    gap: (B,). Where the normal is zero, z.
    """
    x, peak = region.center(), norm(normal, torch.inf)
    scale = torch.where(peak > 0, peak, 1.0)
    unit = normal / spread(scale, normal)
    p = project_onto_plane(region, x, unit, gap / scale + dot(unit, x - z))
    return choose(peak > 0, p, z)


def project_onto_nearest(region: Normed, z: Tensor, gaps: Tensor, grads: Tensor) -> Tensor:
    """Return the valid point nearest to x on any of the planes gap + <grad, p - z> = 0.

    gaps: (B, C); grads: (C, B, ...). Planes that have x beyond them do not count.
    """
    x = region.center()
    at_x = gaps + torch.stack([dot(grad, x - z) for grad in grads], dim=1)
    at_x = torch.where(at_x > 0, -torch.inf, at_x)
    return nearest_plane(region, x, at_x, grads)[0]


class Bracket:
    """Each example's nearest success, and a point on the way from x to it that is none.

    Between the two, the false position is where the loss would be just beyond the boundary, were
    it linear.
    """

    def __init__(self, region: Normed, first: Scored) -> None:
        self.region = region
        self.outer, self.inner = first.z, region.center()
        self.outer_loss = first.loss
        unchanged = region.size(first.z) == 0  # else the loss of x is not known, only its sign
        self.first_loss = torch.where(unchanged, first.loss, -first.loss.abs())
        self.inner_loss = self.first_loss
        self.size = torch.full_like(first.loss, torch.inf)
        self.goal = 2 * first.edge + BEYOND * self.first_loss.abs()

    def update(self, here: Scored) -> None:
        """Take one more point of the search into account."""
        size = torch.where(here.harm > here.edge, self.region.size(here.z), torch.inf)
        self._move_outer(here, size < self.size)
        self.size = torch.minimum(self.size, size)

    def between(self) -> Tensor:
        """Return the next point to look at on the way."""
        rise = self.outer_loss - self.inner_loss
        share = ((self.goal - self.inner_loss) / torch.where(rise > 0, rise, 1.0)).nan_to_num(1.0)
        share = torch.where(self.size.isfinite(), share.clamp(0, 1), 1.0)
        way = self.outer - self.inner
        return self.region.project(self.inner + spread(share, way) * way)

    def narrow(self, here: Scored) -> None:
        """Take a point on the way into account."""
        beyond, found = here.harm > here.edge, self.size.isfinite()
        self._move_outer(here, beyond & found)
        self.size = torch.where(beyond & found, self.region.size(here.z), self.size)
        inward = ~beyond & found
        self.inner = choose(inward, here.z, self.inner)
        self.inner_loss = torch.where(inward, here.loss, self.inner_loss)

    def aim(self, p: Scored) -> None:
        """Take p for the nearest success where it is one that is nearer, else look towards it.

        A point that is farther away than the nearest success is no news.
        """
        nearer = self.region.size(p.z) < self.size
        beyond = p.harm > p.edge
        self.update(p)
        short = nearer & ~beyond & self.size.isfinite()
        self.inner = torch.where(spread(short, p.z), p.z, self.region.center())
        self.inner_loss = torch.where(short, p.loss, self.first_loss)

    def _move_outer(self, here: Scored, which: Tensor) -> None:
        self.outer = choose(which, here.z, self.outer)
        self.outer_loss = torch.where(which, here.loss, self.outer_loss)


def line_search(objective: Objective, region: Normed, best: Bracket, at: Rng) -> Walk:
    """Look a few times where the way from x to the nearest success crosses the boundary."""
    for k in range(LINE_SEARCH_STEPS):
        here = look(objective, region, best.between(), at.at(at.step + k))
        yield here
        best.narrow(here)
    yield Unscored(best.between())


class SearchStart(NamedTuple):
    """What a search for the nearest counterexample by descent begins with."""

    z: Tensor  # (B, ...) half of the way to the nearest boundary as it seems from x, or the start
    distance: Tensor  # (B,) to that boundary; never zero
    scale: Tensor  # (B,) slope of that boundary's gap: the margin over it is a length


def initial_radius(
    objective: Objective, region: Normed, start: Tensor | None, at: Rng, top: int
) -> tuple[Scored, SearchStart]:
    """Look at x, or at the start, and at the boundaries around it."""
    z = region.center() if start is None else start
    here, gaps, grads = boundaries(objective, region, z, at, top)
    near, gap, grad = nearest_plane(region, z, gaps, grads)
    distance, steep = region.norms(near - z), region.dual_norm(grad)
    distance = torch.where(distance > 0, distance, 1.0)
    flat = gap.abs().clamp_min(1e-30).nan_to_num(1.0, 1.0, 1.0)
    half = (z + near) / 2 if start is None else z
    return here, SearchStart(half, distance, torch.where(steep > 0, steep, flat))


def refine(objective: Objective, region: Normed, best: Bracket, at: Rng, top: int) -> Walk:
    """Bring each nearest success nearer still, as if the boundaries were planes there.

    Each round takes the planes where the way to the success crosses the boundary, and looks at the
    point on one of them that is nearest to x; the next way is from there, or from x if that is a
    success.
    """
    for k in range(ROUNDS):
        here, gaps, grads = boundaries(
            objective, region, best.between(), at.at(at.step + 2 * k), top
        )
        yield here
        best.narrow(here)
        near = project_onto_nearest(region, here.z, gaps - best.goal[:, None], grads)
        here = look(objective, region, near, at.at(at.step + 2 * k + 1))
        yield here
        best.aim(here)
    yield Unscored(best.between())
