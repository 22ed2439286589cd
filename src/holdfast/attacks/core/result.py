"""The result of a search: the worst or the nearest point of each example, and what it cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.objective import Cost, Score
from holdfast.tensors import select
from holdfast.threat import Status
from holdfast.tree import take


@dataclass(frozen=True, repr=False)
class Result:
    """The worst point found for each example, or its nearest success, and what the search cost.

    A search for the nearest counterexample may find it farther away than the radius: it is returned
    with its size, but it is no success in this set. Where it found none at all the size is infinite
    and the point is the one that came closest to the goal.
    """

    x_adv: Tensor  # (B, ...)
    z: Tensor  # (B, ...)
    harm: Tensor  # (B,)
    tie: Tensor  # (B,)
    loss: Tensor  # (B,)
    size: Tensor  # (B,) in the units of the radius; infinite where a search for it found nothing
    inside: Tensor  # (B,) bool: x_adv is in the set, as audited
    failed: Tensor  # (B,) bool: no success, and the attack could not move or is lost
    lost: Tensor  # (B,) bool: at some point of the search the harm was not a number
    cost: Cost
    seed: int | None = None  # of all draws

    @property
    def success(self) -> Tensor:
        """Return (B,) bool: the goal is reached beyond a tie, within the set."""
        return self.reached & self.inside

    @property
    def reached(self) -> Tensor:
        """Return (B,) bool: the goal is reached beyond a tie, at any distance."""
        return self.harm > self.tie

    @property
    def marginal(self) -> Tensor:
        """Return (B,) bool: a tie was reached within the set, and no more."""
        return (self.harm.abs() <= self.tie) & self.harm.isfinite() & self.inside

    @property
    def status(self) -> list[Status]:
        """Return each example's status: broken, marginal, failed or unbroken."""
        rows = zip(self.success.tolist(), self.marginal.tolist(), self.failed.tolist(), strict=True)
        return [_status(*row) for row in rows]

    def __repr__(self) -> str:
        found = Counter(map(str, self.status))
        counts = ", ".join(f"{found[status]:,} {status}" for status in Status if status in found)
        each = [f"{part.double().mean().item() if len(part) else 0:,.4g}" for part in self.cost]
        return (
            f"<Result of {len(self.x_adv):,} examples {tuple(self.x_adv.shape[1:])}: "
            f"{counts or 'none'}; {each[0]} forward and {each[1]} backward passes each, "
            f"seed {self.seed}>"
        )

    def judged(self, verdict: Score, cost: Cost) -> Result:
        """Return the same points with the judge's word on them."""
        lost = self.lost | verdict.harm.isnan()
        failed = (self.failed | lost) & ~((verdict.harm > verdict.tie) & self.inside)
        return replace(
            self, harm=verdict.harm, tie=verdict.tie, failed=failed, lost=lost, cost=cost
        )

    def take(self, idx: Tensor) -> Result:
        """Return the result of the examples at positions `idx`."""
        fields = {name: part for name, part in vars(self).items() if name != "seed"}
        return Result(**take(fields, idx), seed=self.seed)


@checked
def keep_worst(one: Result, other: Result) -> Result:
    """Return each example's worse point, one in the set before one that is not; costs add up.

    An example without success failed if both searches did, or if it was lost in one of them.
    """
    harder = beats(other.harm, other.tie, one.harm, one.tie)
    return _merge(one, other, torch.where(one.inside == other.inside, harder, other.inside))


@checked
def keep_nearest(one: Result, other: Result) -> Result:
    """Return each example's nearest success, or the worst point where neither reached the goal."""
    nearer = other.reached & (~one.reached | (other.size < one.size))
    harder = ~one.reached & beats(other.harm, other.tie, one.harm, one.tie)
    return _merge(one, other, torch.where(other.reached, nearer, harder))


def beats(harm: Tensor, tie: Tensor, best_harm: Tensor, best_tie: Tensor) -> Tensor:
    """Return (B,) bool: more harm beyond a tie; a success beats anything else."""
    return harm - tie > best_harm - best_tie


def _merge(one: Result, other: Result, better: Tensor) -> Result:
    def pick(name: str) -> Tensor:
        a, b = getattr(one, name), getattr(other, name)
        return select(better, b, a)

    fields = {name: pick(name) for name in ("x_adv", "z", "harm", "tie", "loss", "size", "inside")}
    lost = one.lost | other.lost
    failed = ((one.failed & other.failed) | lost) & ~(one.success | other.success)
    total = Cost(*(a + b for a, b in zip(one.cost, other.cost, strict=True)))
    seed = one.seed if one.seed == other.seed else None
    return Result(**fields, failed=failed, lost=lost, cost=total, seed=seed)


def _status(success: bool, marginal: bool, failed: bool) -> Status:
    if success:
        return Status.BROKEN
    if marginal:
        return Status.MARGINAL
    return Status.FAILED if failed else Status.UNBROKEN
