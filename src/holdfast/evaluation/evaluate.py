"""Evaluate: how many examples does a model keep under attack, at most? The answer is a claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.attacks.core.travel import warn_of_short_steps
from holdfast.claims import Claim, Ledger, write_claim
from holdfast.data import as_examples
from holdfast.distributed import Group, join
from holdfast.evaluation.record import check_writable, finished_claim
from holdfast.evaluation.record.claim_document import Outcome, document
from holdfast.evaluation.record.claim_files import proofs
from holdfast.evaluation.record.given import given_by
from holdfast.evaluation.record.provenance import Provenance, provenance_of
from holdfast.evaluation.run.cascade import Cascade, Example, Stage
from holdfast.evaluation.run.prepare import look_at, prepare
from holdfast.evaluation.run.progress import Progress
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.run.time_estimate import forecast, whole
from holdfast.evaluation.run.watch import UNWATCHED
from holdfast.evaluation.suites import Suite, get_suite
from holdfast.interruption import interruptible
from holdfast.models import Finding, Model, frozen, wrap
from holdfast.runtime import deterministic, resolve_device
from holdfast.storage import user_path
from holdfast.threat import ThreatModel
from holdfast.threat.goals.targeted import check_target
from holdfast.units import BatchSize, Count, Number, Radii, Seed


@checked
def evaluate(
    model: Any,
    test_data: Any,
    *,
    threat: ThreatModel,
    suite: str | Suite = "standard",
    out: str | Path,
    seed: Seed = 0,
    n: Count | None = None,
    batch_size: BatchSize | None = None,
    device: str | torch.device | None = None,
    eps: Radii = (),
    exhaustive: bool = False,
    precision: str = "float32",
    surrogate: Any = None,
    quiet: bool = False,
) -> Claim:
    """Attack a model with a suite and return the claim, which lies in the folder `out`.

    model: a network, or anything else that `wrap` takes. test_data: as for `train`; a name means
    its test part. n: a random subset of so many examples; its ids are stored. eps: further radii
    for a security curve. exhaustive: run every attack on examples that others broke too, and count
    who alone would have broken it. precision: "bfloat16" lets attacks search faster; verdicts are
    float32. surrogate: a second network, which gradient attacks differentiate in place of `model`
    (a twin with usable gradients, a surrogate); the verdicts stay those of `model`, and attacks
    without gradients ask it alone. A query budget is the attacker's total per example, over all
    members, restarts and targets: the members share it by their weights, and an attacker at another
    radius has one of its own. A second call with the same arguments continues where the first was
    stopped, or returns its claim; several processes (torchrun) share the work if all of them make
    the call and share `out`.

    Raises InputError, ConfigError or Unsupported for arguments that cannot be evaluated, InputError
    for a folder that holds another claim and StorageError for one in which another process works,
    before anything is written. Interrupted, a KeyboardInterrupt, comes of SIGTERM and SIGHUP, too.
    """
    model, surrogate = wrap(model), None if surrogate is None else wrap(surrogate)
    check_target(threat.goal, model.labels)
    data = as_examples(test_data, part="test", range=model.range)
    provenance = provenance_of(model)
    threats, out = curve(threat, eps), user_path(out, "out")
    group = join(resolve_device(device))
    with interruptible(), deterministic(), torch.random.fork_rng():
        setup = prepare(
            model,
            data,
            threat=threat,
            suite=get_suite(suite),
            seed=seed,
            n=n,
            batch_size=batch_size,
            device=device,
            surrogate=surrogate,
            precision=precision,
            exhaustive=exhaustive,
        )
        setup = replace(setup, given=_given(model, surrogate))
        warn_of_short_steps(setup.suite, threat.space)
        with frozen(setup.judge), frozen(setup.search):
            findings = look_at(setup)
            if provenance is not None:
                findings.append(provenance.check(setup.data))
            setup = setup.identified()
            check_writable(setup, provenance)
            run = Run(
                setup=setup,
                threats=threats,
                findings=findings,
                out=out,
                provenance=provenance,
                group=group,
            )
            there = run.finished()
            if there is not None:
                return there
            with group.locked(out, "an evaluation"):
                # Another process may have finished it while this one was looking.
                return run.finished() or run.claim(quiet=quiet)


def _given(model: Model, surrogate: Model | None) -> dict[str, Any]:
    """Return the words by which the models were given, where any are known."""
    models = {"model": model, **({} if surrogate is None else {"search": surrogate})}
    found = {name: given_by(each) for name, each in models.items()}
    return {name: words for name, words in found.items() if words}


def curve(threat: ThreatModel, eps: Sequence[Number]) -> list[ThreatModel]:
    """Return the threat models of a security curve, smallest radius first, the threat's own too.

    Raises InputError for an eps that the space refuses.
    """
    found = [threat.with_eps(value) for value in eps]
    by_radius = {each.space.radius: each for each in [*found, threat]}
    return [by_radius[radius] for radius in sorted(by_radius)]


@dataclass(frozen=True, kw_only=True)
class Run:
    """An evaluation that is ready to start."""

    setup: EvaluationSetup
    threats: Sequence[ThreatModel]  # smallest radius first
    findings: Sequence[Finding]
    out: Path
    provenance: Provenance | None
    group: Group  # the processes that share it

    def finished(self) -> Claim | None:
        """Return the claim in the folder, None if there is none; InputError for another one."""
        return finished_claim(self.out, self.setup, self.threats, self.provenance)

    def claim(self, *, quiet: bool) -> Claim:
        """Run the stages that the ledger does not hold yet, then write the claim."""
        group = self.group
        each, expected = forecast(self.setup), None
        if each is not None:
            expected = round(whole(self.setup, each) * len(self.threats) / group.size, 1)
        ledger, chunks = Ledger(self.out / "ledger"), self._chunks(group)
        with Progress(
            self.setup,
            self.threats,
            [len(chunk) for chunk in chunks],
            each,
            processes=group.size,
            quiet=quiet or not group.first,
        ) as progress:
            outcomes = self._outcomes(ledger, chunks, progress)
        if group.size == 1:
            return self._write(outcomes, expected)
        group.wait()
        if group.first:  # every segment is there now: reading them in order is the merge
            self._write(self._outcomes(ledger, self._chunks(Group())), expected)
        group.wait()
        return Claim.load(self.out)

    def _chunks(self, group: Group) -> list[Tensor]:
        """Return this process's share of the chunks."""
        return self.setup.chunks()[group.rank :: group.size]

    def _outcomes(
        self, ledger: Ledger, chunks: Sequence[Tensor], progress: Progress | None = None
    ) -> list[Outcome]:
        """Run every radius, smallest first, on some chunks."""
        known: list[list[Example]] = [[] for _ in chunks]
        outcomes = []
        for radius, threat in enumerate(self.threats):
            cascade = Cascade(self.setup.within(threat), ledger, progress or UNWATCHED)
            stages: list[Stage] = []
            for i, chunk in enumerate(chunks):
                if progress is not None:
                    progress.starts(radius, i)
                known[i], done = cascade.run(chunk, known[i] if self.setup.carries else ())
                stages += done
            outcomes.append(Outcome(threat, [e for chunk in known for e in chunk], stages))
        return outcomes

    def _write(self, outcomes: Sequence[Outcome], expected: float | None) -> Claim:
        came_from = self.provenance
        facts: dict[str, Any] = {
            "forecast_seconds": expected,
            "training": came_from.plain() if came_from else None,
        }
        own = outcomes[list(self.threats).index(self.setup.threat)]
        files = proofs(self.setup, own.examples) | (came_from.files() if came_from else {})
        stated = document(self.setup, outcomes, self.findings, **facts)
        stated["data"]["part"] = self.setup.data.part
        if came_from and came_from.network:
            stated["model"]["name"] = came_from.network
        return write_claim(self.out, stated, files)
