"""What is kept of a search: each example's worst point, or its nearest success."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from holdfast.attacks.core.points import Scored
from holdfast.attacks.core.result import Result
from holdfast.objective import Cost, Objective, Score
from holdfast.tensors import norm, spread
from holdfast.threat import Region

WAITING = 8  # points that wait to be judged together at most
HELD = 1 << 22  # values that they may have, 16 MiB
KEPT = -1  # stands for the point kept so far, the last among points


class Looks(NamedTuple):
    """Several looks at one batch, judged together: all (M, B)."""

    loss: Tensor
    harm: Tensor  # -inf where it is not a number
    tie: Tensor
    nowhere: Tensor  # bool: harm is not a number
    excess: Tensor  # of the harm beyond a tie

    @classmethod
    def at(cls, points: Sequence[Scored]) -> Looks:
        """Judge the points."""
        harm, tie = Score.verdicts([point.score for point in points])
        nowhere = harm.isnan()
        harm = torch.where(nowhere, -torch.inf, harm)
        tie = torch.where(nowhere, 0.0, tie)
        loss = torch.stack([point.loss for point in points])
        return cls(loss, harm, tie, nowhere, harm - tie)


class Best:
    """Keeps each example's worst point, and whether the search ever had a gradient.

    Points wait and are judged several at a time, which saves a small network most of what judging
    costs. settle: look no further at an example once it is broken.
    """

    def __init__(self, objective: Objective, region: Region, *, settle: bool = False) -> None:
        self.region = region
        self.settle = settle
        self.kept = _Kept(objective, region)
        self.waiting: list[Scored] = []

    def see(self, here: Scored) -> None:
        """Take one more scored point into account."""
        self.kept.follow(here.grad)
        self.waiting.append(here)
        more = len(self.waiting) + 1
        if self.settle or more > WAITING or more * here.z.numel() > HELD:
            self._judge()

    def done(self) -> bool:
        """Say whether there is nothing more to look for: all are broken, and that is enough."""
        return self.settle and self.kept.seen and bool(self.kept.reached.all())

    def result(self) -> Result:
        """Return what was found; every point of a search in the set is in the set."""
        self._judge()
        inside = torch.ones_like(self.kept.lost)
        return self.kept.result(self.region.size(self.kept.z), inside)

    def _judge(self) -> None:
        """Take the worst of what waits into account, the first of equals.

        A harm that is not a number is never better; an example that it leaves unbroken is lost.
        """
        points, self.waiting = self.waiting, []
        if not points:
            return
        kept, looks = self.kept, Looks.at(points)
        which = looks.excess.argmax(0)
        better = looks.excess.amax(0) > kept.harm - kept.tie
        nowhere = looks.nowhere.any(0)
        if self.settle:
            open_ = ~kept.reached
            better, nowhere = better & open_, nowhere & open_
        kept.lost = kept.lost | nowhere
        kept.take(points, looks, which, better)


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
        kept, looks = self.kept, Looks.at([here])
        reached = looks.excess[0] > 0
        size = torch.where(reached, self.region.size(here.z), torch.inf)
        harder = looks.excess[0] > kept.harm - kept.tie
        better = torch.where(kept.reached | reached, size < self.size, harder)
        kept.follow(here.grad)
        kept.lost = kept.lost | looks.nowhere[0]
        kept.take([here], looks, torch.zeros_like(better, dtype=torch.int64), better)
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

    def follow(self, grad: Tensor | None) -> None:
        """Remember who had a gradient; ask no more once all of them had."""
        if grad is None or self.all_moved:
            return
        moves = norm(grad, torch.inf) > 0
        self.moved = moves if self.moved is None else self.moved | moves
        self.all_moved = bool(self.moved.all())

    def take(self, points: Sequence[Scored], looks: Looks, which: Tensor, better: Tensor) -> None:
        """Keep point number `which` (B,) where it is better (B,), and everywhere if it is first."""
        if not self.seen:
            self.seen, better = True, torch.ones_like(better)
        elif not bool(better.any()):
            return
        join = _either(better) if len(points) == 1 else _joined(torch.where(better, which, KEPT))
        for name in ("loss", "harm", "tie"):
            seen: Tensor = getattr(looks, name)
            worst = seen[0] if len(seen) == 1 else seen.gather(0, which[None])[0]
            setattr(self, name, torch.where(better, worst, getattr(self, name)))
        same = all(here.x_adv is here.z for here in points) and self.x_adv is self.z
        self.z = join([*(here.z for here in points), self.z])
        self.x_adv = self.z if same else join([*(here.x_adv for here in points), self.x_adv])

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


def _either(better: Tensor) -> Callable[[Sequence[Tensor]], Tensor]:
    """Return what joins two batches: the first where it is better (B,), the second elsewhere."""
    if bool(better.all()):
        return lambda pair: pair[0]
    return lambda pair: torch.where(spread(better, pair[0]), pair[0], pair[1])


def _joined(chosen: Tensor) -> Callable[[Sequence[Tensor]], Tensor]:
    """Return what joins batches: each example as the batch number `chosen` (B,) has it.

    It copies each example once, however many batches there are.
    """
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(chosen.tolist()):
        rows.setdefault(number, []).append(row)
    parts = {number: torch.tensor(own, device=chosen.device) for number, own in rows.items()}

    def join(batches: Sequence[Tensor]) -> Tensor:
        if len(parts) == 1:
            return batches[next(iter(parts))]
        joined = torch.empty_like(batches[0])
        for number, own in parts.items():
            joined.index_copy_(0, own, batches[number].index_select(0, own))
        return joined

    return join


def spent(objective: Objective, before: Cost) -> Cost:
    """Return what the objective's examples cost since it stood at `before`."""
    return Cost(*(a - b for a, b in zip(objective.cost, before, strict=True)))
