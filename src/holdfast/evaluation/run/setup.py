"""Everything that an evaluation's numbers depend on, bound once and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from holdfast.claims import model_digest, tensor_digest
from holdfast.components import digest
from holdfast.data import Examples
from holdfast.evaluation.suites import Member, Suite
from holdfast.logits import TIE
from holdfast.models import Model
from holdfast.objective import Objective, offered
from holdfast.rng import Rng, own_randomness
from holdfast.runtime import environment
from holdfast.threat import Knowledge, ThreatModel

PROBES = 8  # inputs whose logits stand for the model's `forward`
FINISHER = "-float32"  # ends the name of a member that runs again in full precision
CHUNK = 1024  # examples of a chunk, unless four batches are more


@dataclass(frozen=True, kw_only=True)
class EvaluationSetup:
    """One model, one set of examples, one threat model, one suite, one way to run them.

    judge: the model whose verdict counts. search: the model that attacks differentiate; the judge,
    or `twin`, or that one in low precision. twin: a second model, that the user gave for the
    search; None: the judge. about_twin: the claim's facts about it, also where it is not at hand.
    positions: (n,) which examples of `data`, ascending. dtype: of the inputs, float32 unless the
    judge computes in float64. in_training: the names of the modules that came in train mode; the
    judge is in eval mode. given: the words by which the models were given, as a claim states them.
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
    dtype: torch.dtype
    exhaustive: bool = False
    in_training: frozenset[str] = frozenset()
    twin: Model | None = None
    about_twin: dict[str, Any] | None = None
    given: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)  # first part of every ledger key
    granted: dict[str, int] = field(default_factory=dict)  # queries per example, by member

    def within(self, threat: ThreatModel) -> EvaluationSetup:
        """Return the same setup under another threat model (another eps)."""
        return replace(self, threat=threat, identity={**self.identity, "threat": threat.digest})

    def exact(self) -> EvaluationSetup:
        """Return the same setup with the search in the judge's own precision."""
        identity = {**self.identity, "precision": "float32"}
        search = self.twin or self.judge
        return replace(self, search=search, precision="float32", identity=identity)

    def finishers(self) -> tuple[Member, ...]:
        """Return the gradient attacks again where the search ran in low precision, else nothing."""
        if self.precision == "float32":
            return ()
        return tuple(
            Member(name=f"{member.name}{FINISHER}", attack=member.attack)
            for member in self.members
            if member.attack.demands().knowledge is Knowledge.GRADIENT
        )

    def can_run(self, member: Member) -> bool:
        """Return True if the model can answer a member at all: a black box has no gradient.

        Of a surrogate that is not at hand it is taken for granted.
        """
        if self.about_twin is not None and self.twin is None:
            return True
        return offered(self.asked(member)).grants(member.attack.demands().knowledge)

    def asked(self, member: Member | None) -> Model:
        """Return the model that a member searches: a second one only where it needs to.

        That is for gradients, for answers that the judge does not give, and where it is not asked.
        """
        if self.twin is None or member is None or self.threat.knowledge is Knowledge.TRANSFER:
            return self.search
        needed = member.attack.demands().knowledge
        direct = needed is not Knowledge.GRADIENT and offered(self.judge).grants(needed)
        return self.judge if direct else self.search

    def answered(self) -> tuple[Member, ...]:
        """Return the members that the model can answer."""
        return tuple(member for member in self.members if self.can_run(member))

    @property
    def carries(self) -> bool:
        """Return True if results and costs at a smaller radius count at larger ones.

        With a query budget each radius has an attacker of its own, who spends the whole of it
        there; only where every search is for the nearest counterexample, and runs once, one
        attacker gives the outcome at every radius.
        """
        once = all(member.attack.demands().nearest for member in self.members)
        return self.threat.queries is None or (once and not self.finishers())

    def chunks(self) -> list[Tensor]:
        """Return the positions in chunks, the unit of sharding, whole batches each."""
        batches = max(4, CHUNK // self.batch_size)
        return list(self.positions.split(batches * self.batch_size))

    def rng(self, ids: Tensor) -> Rng:
        """Return the draws of the examples with these ids."""
        return Rng(self.seed, ids)

    def objective(self, batch: Padded, member: Member | None = None, spent: int = 0) -> Objective:
        """Return the objective of one batch, as a member of the suite sees it.

        spent: queries of its share that are gone already.
        """
        search = self.asked(member)
        limit = None if member is None else self.granted.get(member.name)
        return Objective(
            self.threat,
            search,
            batch.x,
            batch.y,
            judge=self.judge,
            twin=self.twin is not None,
            limit=None if limit is None else limit - spent,
        )

    def batches(self, positions: Tensor) -> Iterator[Padded]:
        """Yield the examples at `positions` in batches of one shape, on the device."""
        for part in positions.split(self.batch_size):
            if len(part):  # splitting nothing gives one empty part
                yield self.pad(part)

    def pad(self, positions: Tensor) -> Padded:
        """Return at most `batch_size` examples as a full batch, on the device.

        It is filled up by repeating the first example: a shape of its own would change the last
        digits of its results.
        """
        missing = self.batch_size - len(positions)
        batch = self.data.batch(torch.cat([positions, positions[:1].expand(missing)]))
        x = batch.x.to(self.device, self.dtype)
        return Padded(x, batch.y.to(self.device), batch.ids.to(self.device), len(positions))

    def logits(self, x: Tensor) -> Tensor:
        """Return (n, K) on the CPU: the judge's logits of x (n, ...)."""
        found = []
        for part in x.split(self.batch_size):
            with torch.no_grad(), own_randomness(self.device, self.seed, "logits"):
                found.append(self.judge(part.to(self.device, self.dtype)).cpu())
        return torch.cat(found)

    def probes(self) -> Tensor:
        """Return the inputs on which a claim stores the model's logits."""
        return self.data.batch(self.positions[:PROBES]).x.to(self.dtype)

    def identified(self) -> EvaluationSetup:
        """Return this setup with its identity: digests, seed, shape, threads, device, versions.

        The digest of a model does not cover the code of `forward`; its logits do.
        """
        identity = {
            "model": model_digest(self.judge),
            "logits": tensor_digest(self.logits(self.probes())),
            "data": self.data.fingerprint,
            "threat": self.threat.digest,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "precision": self.precision,
            "tie": TIE,
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "holdfast": environment()["holdfast"],
        }
        if self.about_twin is not None:
            identity["search"] = self.about_twin["digest"]
        return replace(self, identity=identity)


@dataclass(frozen=True)
class Padded:
    """A batch of full size whose first `real` examples count."""

    x: Tensor  # (batch_size, ...)
    y: Tensor  # (batch_size,)
    ids: Tensor  # (batch_size,)
    real: int


def member_key(setup: EvaluationSetup, member: Member) -> dict[str, Any]:
    """Return the identity of a member in a ledger key."""
    key = {"name": member.name, "attack": digest(member.attack)}
    share = setup.granted.get(member.name)
    return key if share is None else {**key, "queries": share}
