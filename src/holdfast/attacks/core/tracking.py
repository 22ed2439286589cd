"""Trackers of a search: they keep each example's worst point, or its nearest success."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from holdfast.attacks.core.judging import Judged, at_once, judged
from holdfast.attacks.core.points import Scored
from holdfast.attacks.core.result import Result
from holdfast.objective import Objective
from holdfast.tensors import norm, select
from holdfast.threat import Region


class BestTracker:
    """Keeps each example's worst point, and whether the search ever had a gradient.

    Points wait to be judged several at a time. settle: look no further at an example once it is
    broken, hence judge every point at once.
    """

    def __init__(self, objective: Objective, region: Region, *, settle: bool = False) -> None:
        self.region = region
        self.settle = settle
        self.kept = _Kept(objective, region)
        self.waiting: list[Scored] = []
        self.most = 1 if settle else at_once(self.kept.z.numel())

    def see(self, here: Scored) -> bool:
        """Take one more scored point into account; return True once no more need be looked at."""
        self.waiting.append(here)
        return len(self.waiting) >= self.most and self._judge()

    def result(self) -> Result:
        """Return the result; every point of a search in the set is in the set."""
        if self.waiting:
            self._judge()
        inside = torch.ones_like(self.kept.lost)
        return self.kept.result(self.region.size(self.kept.z), inside)

    def _judge(self) -> bool:
        """Take the worst of the waiting points into account, the first of equals.

        A harm that is not a number is never better; an example that it leaves unbroken is lost.
        """
        kept, seen = self.kept, judged(self.waiting)
        kept.follow(self.waiting)
        self.waiting = []
        better, nowhere = seen.excess > kept.harm - kept.tie, seen.nowhere
        if self.settle:
            better, nowhere = better & ~kept.reached, nowhere & ~kept.reached
        kept.lost = kept.lost | nowhere
        kept.take(seen, better)
        return self.settle and bool(kept.reached.all())


class MinimumNormTracker:
    """Keeps each example's nearest success at any distance; until there is one, the worst.

    region: the set in which a success counts; the search itself walks over all valid inputs.
    """

    def __init__(self, objective: Objective, region: Region) -> None:
        self.region = region
        self.kept = _Kept(objective, region)
        self.size = torch.full_like(region.radius, torch.inf)

    def see(self, here: Scored) -> bool:
        """Take one more scored point into account; return False: a nearer one may follow."""
        kept, seen = self.kept, judged([here])
        reached = seen.excess > 0
        size = torch.where(reached, self.region.size(here.z), torch.inf)
        harder = seen.excess > kept.harm - kept.tie
        better = torch.where(kept.reached | reached, size < self.size, harder)
        kept.follow([here])
        kept.lost = kept.lost | seen.nowhere
        kept.take(seen, better)
        self.size = torch.minimum(self.size, size)
        return False

    def result(self) -> Result:
        """Return the result: points farther than the radius are no successes in this set."""
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

    def follow(self, points: Sequence[Scored]) -> None:
        """Remember the examples that had a gradient; ask no more once all had."""
        for grad in (here.grad for here in points if here.grad is not None):
            if self.all_moved:
                return
            moves = norm(grad, torch.inf) > 0
            self.moved = moves if self.moved is None else self.moved | moves
            self.all_moved = bool(self.moved.all())

    def take(self, seen: Judged, better: Tensor) -> None:
        """Keep the point where it is better (B,), and everywhere if it is the first."""
        if not self.seen:
            self.seen, better = True, torch.ones_like(better)
        elif not bool(better.any()):
            return
        for name in ("loss", "harm", "tie"):
            setattr(self, name, torch.where(better, getattr(seen, name), getattr(self, name)))
        (z, x_adv), whole = seen.inputs(), bool(better.all())
        same = x_adv is z and self.x_adv is self.z
        self.z = z if whole else select(better, z, self.z)
        if same:
            self.x_adv = self.z
        else:
            self.x_adv = x_adv if whole else select(better, x_adv, self.x_adv)

    def result(self, size: Tensor, inside: Tensor) -> Result:
        """Return the result.

        An example without success has failed if no gradient was usable, or if the model answered
        with no number somewhere: its outcome there is not known.
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
            cost=self.objective.cost.since(self.before),
        )
