"""What is kept of a search: each example's worst point, or its nearest success."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.attacks.points import Scored
from holdfast.attacks.result import Result, beats
from holdfast.objective import Cost, Objective
from holdfast.spaces.ball import norm, spread
from holdfast.threat import Region


class Best:
    """Keeps each example's worst point, and whether the search ever had a gradient.

    settle: look no further at an example once it is broken.
    """

    def __init__(self, objective: Objective, region: Region, *, settle: bool = False) -> None:
        self.region = region
        self.settle = settle
        self.kept = _Kept(objective, region)

    def see(self, here: Scored) -> None:
        """Take one more scored point into account.

        A harm that is not a number is never better; an example that it leaves unbroken is lost.
        """
        kept, nowhere = self.kept, here.harm.isnan()
        better = beats(here.harm, here.tie, kept.harm, kept.tie)  # not where harm is not a number
        if self.settle:
            open_ = ~kept.reached
            nowhere, better = nowhere & open_, better & open_
        kept.note(here, nowhere)
        kept.take(here, better)

    def done(self) -> bool:
        """Say whether there is nothing more to look for: all are broken, and that is enough."""
        return self.settle and self.kept.seen and bool(self.kept.reached.all())

    def result(self) -> Result:
        """Return what was found; every point of a search in the set is in the set."""
        inside = torch.ones_like(self.kept.lost)
        return self.kept.result(self.region.size(self.kept.z), inside)


class Nearest:
    """Keeps each example's nearest success at whatever distance; until there is one, the worst.

    region: the set in which a success counts; the search itself walks over all valid inputs.
    """

    def __init__(self, objective: Objective, region: Region) -> None:
        self.region = region
        self.kept = _Kept(objective, region)
        self.size = torch.full_like(region.radius, torch.inf)

    def see(self, here: Scored) -> None:
        """Take one more scored point into account."""
        kept, reached = self.kept, here.harm > here.tie
        size = torch.where(reached, self.region.size(here.z), torch.inf)
        harder = beats(here.harm, here.tie, kept.harm, kept.tie)
        better = torch.where(kept.reached | reached, size < self.size, harder)
        kept.note(here, here.harm.isnan())
        kept.take(here, better)
        self.size = torch.minimum(self.size, size)

    def done(self) -> bool:
        """Say whether there is nothing more to look for, which is never known."""
        return False

    def result(self) -> Result:
        """Return what was found: what is farther than the radius is no success in this set."""
        return self.kept.result(self.size, self.region.contains(self.kept.x_adv))


class _Kept:
    """One point of each example, whether any had a gradient, and where the model said nothing."""

    def __init__(self, objective: Objective, region: Region) -> None:
        self.objective = objective
        self.before = objective.cost
        self.seen = False
        self.z = self.x_adv = region.center()  # stands in until the first look
        self.loss = self.harm = torch.full_like(region.radius, -torch.inf)
        self.tie = torch.zeros_like(region.radius)
        self.lost = torch.zeros_like(region.radius, dtype=torch.bool)
        self.moved: Tensor | None = None  # (B,) bool: a gradient was usable; None: none was asked
        self.all_moved = False

    @property
    def reached(self) -> Tensor:
        """Return (B,) bool: whether the point kept reaches the goal."""
        return self.harm > self.tie

    def note(self, here: Scored, nowhere: Tensor) -> None:
        """Remember who was lost, and who had a gradient; ask no more once all of them had."""
        self.lost = self.lost | nowhere
        if here.grad is None or self.all_moved:
            return
        moves = norm(here.grad, torch.inf) > 0
        self.moved = moves if self.moved is None else self.moved | moves
        self.all_moved = bool(self.moved.all())

    def take(self, here: Scored, better: Tensor) -> None:
        """Keep the point `here` where it is better, and everywhere if it is the first."""
        if not self.seen:
            self.seen = True
            self._take_all(here)
            self.harm = here.harm.nan_to_num(-torch.inf, torch.inf, -torch.inf)
        elif bool(better.all()):
            self._take_all(here)
        elif bool(better.any()):
            self._take_some(here, better)

    def result(self, size: Tensor, inside: Tensor) -> Result:
        """Return what was found.

        An example without success has failed if no gradient was usable, or if the model answered
        with no number somewhere: what it would do there is not known.
        """
        failed = self.harm.isinf() | self.lost
        if self.moved is not None:
            failed = failed | ~self.moved
        return Result(
            x_adv=self.x_adv,
            z=self.z,
            harm=self.harm,
            tie=self.tie,
            loss=self.loss,
            size=size,
            inside=inside,
            failed=failed & ~(self.reached & inside),
            lost=self.lost,
            cost=spent(self.objective, self.before),
        )

    def _take_all(self, here: Scored) -> None:
        self.z, self.x_adv = here.z, here.x_adv
        self.loss, self.harm, self.tie = here.loss, here.harm, here.tie

    def _take_some(self, here: Scored, better: Tensor) -> None:
        wide = spread(better, here.z)
        same = here.x_adv is here.z and self.x_adv is self.z
        self.z = torch.where(wide, here.z, self.z)
        like_x = spread(better, here.x_adv)  # a point need not be shaped as an input
        self.x_adv = self.z if same else torch.where(like_x, here.x_adv, self.x_adv)
        self.loss = torch.where(better, here.loss, self.loss)
        self.harm = torch.where(better, here.harm, self.harm)
        self.tie = torch.where(better, here.tie, self.tie)


def spent(objective: Objective, before: Cost) -> Cost:
    """Return what the objective's examples cost since it stood at `before`."""
    return Cost(*(a - b for a, b in zip(objective.cost, before, strict=True)))
