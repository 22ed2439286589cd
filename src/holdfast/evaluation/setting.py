"""Everything that an evaluation's numbers depend on, bound once and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from holdfast.claims import model_digest
from holdfast.data import Examples
from holdfast.evaluation.suites import Member, Suite
from holdfast.models import Model
from holdfast.objective import Objective
from holdfast.plain import describe, digest
from holdfast.rng import Rng
from holdfast.threat import Knowledge, ThreatModel


@dataclass(frozen=True)
class Setting:
    """One model, one set of examples, one threat model, one suite, one way to run them.

    judge: the model whose verdict counts, float32. search: what attacks differentiate; the judge
    itself or its low-precision twin. positions: (n,) which examples of `data`, ascending.
    """

    judge: Model
    search: Model
    data: Examples
    positions: Tensor
    threat: ThreatModel
    suite: Suite
    members: tuple[Member, ...]
    num_classes: int
    seed: int
    batch_size: int
    precision: str
    device: torch.device
    identity: dict[str, Any]  # digests and versions: what a ledger key starts with

    def within(self, threat: ThreatModel) -> Setting:
        """Return the same setting under another threat model (another eps)."""
        identity = {**self.identity, "threat": threat.digest}
        return replace(self, threat=threat, identity=identity)

    def exact(self) -> Setting:
        """Return the same setting with the search in the judge's own precision."""
        identity = {**self.identity, "precision": "float32"}
        return replace(self, search=self.judge, precision="float32", identity=identity)

    def finishers(self) -> tuple[Member, ...]:
        """Return the gradient attacks again where the search ran in low precision, else nothing."""
        if self.search is self.judge:
            return ()
        return tuple(
            Member(name=f"{member.name}-float32", attack=member.attack)
            for member in self.members
            if member.attack.knowledge is Knowledge.GRADIENT
        )

    def chunks(self) -> tuple[Tensor, ...]:
        """Return the positions in chunks of four batches: the unit of the ledger and of sharding."""
        return self.positions.split(4 * self.batch_size)

    def rng(self, ids: Tensor) -> Rng:
        """Return the draws of the examples with these ids."""
        return Rng(self.seed, ids)

    def objective(self, batch: Padded) -> Objective:
        """Return the objective of one batch."""
        judge = None if self.judge is self.search else self.judge
        return Objective(self.threat, self.search, batch.x, batch.y, judge=judge)

    def batches(self, positions: Tensor) -> Iterator[Padded]:
        """Yield the examples at `positions` in batches of one shape, on the device.

        The last batch is filled up by repeating its first example: a shape of its own would change
        the last digits of its results.
        """
        for part in positions.split(self.batch_size):
            missing = self.batch_size - len(part)
            filled = torch.cat([part, part[:1].expand(missing)])
            batch = self.data.batch(filled)
            yield Padded(
                batch.x.to(self.device),
                batch.y.to(self.device),
                batch.ids.to(self.device),
                len(part),
            )


@dataclass(frozen=True)
class Padded:
    """A batch of full size whose first `real` examples count."""

    x: Tensor  # (batch_size, ...)
    y: Tensor  # (batch_size,)
    ids: Tensor  # (batch_size,)
    real: int

    def rows(self) -> Tensor:
        """Return the positions of the examples that count."""
        return torch.arange(self.real, device=self.y.device)


def identify(
    judge: Model, data: Examples, threat: ThreatModel, run: dict[str, Any]
) -> dict[str, Any]:
    """Return what every ledger key starts with."""
    return {
        "model": model_digest(judge),
        "data": data.fingerprint,
        "threat": threat.digest,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        **run,
    }


def member_key(member: Member) -> dict[str, Any]:
    """Return what identifies a member in a ledger key."""
    return {"name": member.name, "attack": digest(describe(member.attack))}
