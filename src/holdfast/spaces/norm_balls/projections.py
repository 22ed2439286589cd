"""Exact solutions of the small problems that projections onto a ball, a plane and a range pose.

Everything is per example over flat coordinates, (B, d); a row that is solved no longer changes, so
no example notices its batch mates.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDS = 100  # never reached: each solution is a corner of a piecewise linear function


def threshold(size: Tensor, room: Tensor, goal: Tensor) -> Tensor:
    """Return (B,): the t >= 0 at which sum_i clip(size_i - t, 0, room_i) = goal.

    size, room: (B, d) not negative, the sum at t = 0 at least `goal`. Newton's method between
    bounds: the sum is linear between its corners, so a step that lands in the right piece is exact.
    """
    low, high = torch.zeros_like(goal), size.amax(1)
    t = low
    rest, left = torch.empty_like(size), torch.empty_like(size)
    for _ in range(_ROUNDS):
        torch.sub(size, t[:, None], out=rest).clamp_min_(0)
        torch.minimum(rest, room, out=left)
        excess = left.sum(1) - goal
        free = rest.eq_(left).mul_(left.sign_()).sum(1)  # 0 < rest <= room
        low, high = torch.where(excess > 0, t, low), torch.where(excess < 0, t, high)
        newton = t + excess / free.clamp_min(1)
        usable = (free > 0) & (newton > low) & (newton < high)
        better = torch.where(usable, newton, (low + high) / 2)
        better = torch.where(excess.abs() <= 1e-9 * goal, t, better)
        if torch.equal(better, t):
            break
        t = better
    return t


def level(knots: Tensor, slopes: Tensor, goal: Tensor) -> Tensor:
    """Return (B,): the t >= 0 at which sum_i slopes_i * min(t, knots_i) = goal.

    Where even t = inf falls short, any t above all knots. The sum is concave, so Newton's method
    from the left never passes the solution and ends after finitely many rounds.
    """
    t = (goal / slopes.sum(1).clamp_min(1e-30)).clamp_min(0)
    full = slopes * knots
    stuck, taken = torch.empty_like(slopes), torch.empty_like(slopes)
    for _ in range(_ROUNDS):
        torch.le(knots, t[:, None], out=stuck)
        torch.mul(full, stuck, out=taken)
        free = stuck.neg_().add_(1).mul_(slopes).sum(1)
        better = (goal - taken.sum(1)) / torch.where(free > 0, free, 1.0)
        better = torch.where(free > 0, torch.maximum(t, better), t)
        if torch.equal(better, t):
            break
        t = better
    return t


def fractional_knapsack(order: Tensor, gains: Tensor, goal: Tensor) -> Tensor:
    """Return (B, d): the share of each gain that is taken, largest `order` first, up to `goal`.

    All are taken whole but the last, of which as much as is needed; those with no gain, not at all.
    """
    places = order.argsort(dim=1, descending=True, stable=True)
    ranked = gains.gather(1, places)
    before = ranked.cumsum(1) - ranked
    share = ((goal[:, None] - before) / torch.where(ranked > 0, ranked, 1.0)).clamp(0, 1)
    share = torch.where(ranked > 0, share, 0.0)
    return torch.zeros_like(gains).scatter(1, places, share)


def largest(values: Tensor, count: Tensor) -> Tensor:
    """Return (B, d) bool: the `count` (B,) largest positive values of each row, the first on ties.

    count: whole numbers, 0 or more; infinity takes all.
    """
    return among_largest(values, count).bool()


def among_largest(values: Tensor, count: Tensor) -> Tensor:
    """Return the same as 1 or 0 in the type of the values, which is quicker."""
    width = values.shape[1]
    most = count.clamp(0, width).long()
    top = values.topk(max(int(most.max()), 1) if len(most) else 1, dim=1).values
    least = top.gather(1, (most - 1).clamp_min(0)[:, None])
    chosen = torch.ge(values, least, out=torch.empty_like(values))
    chosen.mul_(torch.gt(values, 0, out=torch.empty_like(values))).mul_((most > 0)[:, None])
    if bool((chosen.sum(1) > most).any()):  # some are as large as the last that may be taken
        above, ties = values > least, values == least
        missing = most[:, None] - above.sum(1, keepdim=True)
        chosen.mul_(above | (ties & (ties.cumsum(1) <= missing)))
    return chosen
