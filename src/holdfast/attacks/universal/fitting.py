"""Fitting one change for many inputs on one split, to be reported on another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, inf
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.attacks.core.travel import warn_of_short_steps
from holdfast.attacks.universal.perturbation import ABOUT, SCHEMA, Perturbation, marks, store
from holdfast.claims import model_digest
from holdfast.components import describe
from holdfast.data import Batch, Examples
from holdfast.errors import InputError
from holdfast.locking import locked
from holdfast.models import Model, check_logits, frozen, wrap
from holdfast.objective import Objective
from holdfast.progress import counting
from holdfast.rng import Rng
from holdfast.spaces.catalog import works_in
from holdfast.storage import read_card, user_path
from holdfast.threat import Knowledge, Normed, Placed, ThreatModel
from holdfast.threat.space import check_ranges
from holdfast.units import BatchSize, Seed

PROBE = 32  # examples on which a model's outputs are checked before a fit


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """The model, data split and threat model of a universal perturbation's fit.

    groups: the number of changes: 1, or one for each class.
    """

    model: Model
    data: Examples
    threat: ThreatModel
    groups: int
    seed: int
    batch_size: int
    device: torch.device
    quiet: bool = False

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the split in an order that is a function of seed and epoch, on the device."""
        keys = Rng(self.seed, self.data.ids).fold("epoch", epoch).uniform()
        for positions in keys.argsort(stable=True).split(self.batch_size):
            yield self.data.batch(positions).to(self.device)

    def free(self) -> Normed:
        """Return the ball of all changes (groups, ...) around none, whatever the inputs' range."""
        low, high = self.threat.space.range
        space = replace(self.threat.space, range=(low - high, high - low))  # type: ignore[type-var]
        none = torch.zeros(self.groups, *self.data.shape, dtype=torch.float32, device=self.device)
        region = space.around(none)
        if not isinstance(region, Normed):
            where = works_in("a universal change", (Normed,), self.threat.space)
            raise InputError(f"{where}; UniversalPatch() is for a Patch")
        return region

    def group(self, y: Tensor) -> Tensor:
        """Return (B,): the index of each label's change."""
        return y if self.groups > 1 else torch.zeros_like(y)

    def moved(self, delta: Tensor, batch: Batch) -> Tensor:
        """Return the changed inputs of a batch (B, ...), within the range.

        A patch comes to a random place of each, the same one every time.
        """
        region = self.threat.space.around(batch.x)
        if isinstance(region, Placed):
            at = Rng(self.seed, batch.ids).fold("place")
            return region.realize(region.pasted(delta[self.group(batch.y)], at), at)
        return (batch.x + delta[self.group(batch.y)]).clamp(*self.threat.space.range)

    def objective(self, batch: Batch) -> Objective:
        """Return the objective of a batch."""
        return Objective(self.threat, self.model, batch.x, batch.y)

    def fooled(self, delta: Tensor) -> float:
        """Return the share of examples that are right unchanged and reach the goal changed."""
        right = reached = 0
        for batch in self.batches(0):
            objective = self.objective(batch)
            clean = self.model(batch.x).argmax(1) == batch.y
            score = objective.verdict(self.moved(delta, batch))
            concerned = clean & self.threat.goal.applies(batch.y)
            right += int(concerned.sum())
            reached += int((concerned & (score.harm > score.tie)).sum())
        return reached / max(right, 1)


def best_of_epochs(
    fitting: Fitting,
    delta: Tensor,
    epochs: int,
    advance: Callable[[Tensor, Batch, int], Tensor],
    enough: float = inf,
) -> Tensor:
    """Advance a change batch by batch; return that of the epoch that fools most of the split.

    enough: the rate at which to stop.
    """
    best, most = delta, -1.0
    each = ceil(len(fitting.data) / fitting.batch_size)
    with counting("fitting", epochs * each, "batches", quiet=fitting.quiet) as step:
        for epoch in range(epochs):
            for batch in fitting.batches(epoch):
                delta = advance(delta, batch, epoch)
                step(1)
            with torch.no_grad():
                rate = fitting.fooled(delta)
            if rate >= most:
                best, most = delta, rate
            if rate >= enough:
                break
    return best


class Universal:
    """The interface of every way to fit one change; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "universal"

    def search(self, fitting: Fitting) -> Tensor:
        """Return the change (groups, ...), within the set."""
        raise NotImplementedError


@checked
def fit(
    method: Universal,
    model: nn.Module,
    data: Examples,
    *,
    threat: ThreatModel,
    out: Path | str,
    by_class: bool = False,
    seed: Seed = 0,
    batch_size: BatchSize = 128,
    quiet: bool = False,
) -> Perturbation:
    """Fit a universal change on `data` and store it in the folder `out`.

    by_class: one change for each true class instead of one for all. `ApplyPerturbation` is
    evaluated with the result on other examples: those of `data` are refused. The threat model's
    knowledge and query budget do not bind the fit, which uses a model that the attacker has at
    hand.

    A second call with the same arguments returns the stored result. Raises InputError for a set
    that does not fit the method (a norm ball, or a patch), for ranges that do not agree, and for a
    folder that holds another perturbation.
    """
    wrapped = wrap(model)
    check_ranges(wrapped.range, threat.space, data.range)
    out = user_path(out, "out")
    fitting = Fitting(
        model=wrapped,
        data=data,
        threat=replace(threat, knowledge=Knowledge.GRADIENT, queries=None),
        groups=data.num_classes if by_class else 1,
        seed=seed,
        batch_size=batch_size,
        device=next((p.device for p in wrapped.parameters()), torch.device("cpu")),
        quiet=quiet,
    )
    probe = fitting.data.batch(torch.arange(min(PROBE, len(data)))).to(fitting.device)
    check_logits(wrapped, probe.x, probe.y)
    warn_of_short_steps(method, threat.space)
    about = _about(method, fitting)
    with locked(out, "a fit"):
        if (out / ABOUT).exists():
            return _stored(out, about)
        with frozen(wrapped):
            delta = method.search(fitting)
            with torch.no_grad():
                about["fooled"] = fitting.fooled(delta)
        seen = [mark for batch in fitting.batches(0) for mark in marks(batch.x)]
        return store(out, delta, data.ids, torch.tensor(seen), about)


def _about(method: Universal, fitting: Fitting) -> dict[str, Any]:
    """Return all that a fit depends on, as plain data."""
    data, space = fitting.data, fitting.threat.space
    return {
        "model": model_digest(fitting.model),
        "method": describe(method),
        "space": describe(space),
        "goal": describe(fitting.threat.goal),
        "radius": space.radius,
        "split": {"name": data.name, "part": data.part, "fingerprint": data.fingerprint},
        "examples": len(data),
        "groups": fitting.groups,
        "seed": fitting.seed,
        "batch_size": fitting.batch_size,
    }


def _stored(out: Path, wanted: dict[str, Any]) -> Perturbation:
    """Return the perturbation that lies there; InputError if it was fitted otherwise."""
    there = read_card(out / ABOUT, SCHEMA)
    if other := [key for key, value in wanted.items() if there.get(key) != value]:
        raise InputError(
            f"{out} holds a perturbation fitted with another {' and another '.join(other)}: "
            "choose another folder, or delete that one"
        )
    return Perturbation(path=str(out), digest=there["sha256"])
