"""Evaluate: how many examples does a model keep under attack, at most? The answer is a claim."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from holdfast.claims import Claim, Ledger, write_claim
from holdfast.data import Examples
from holdfast.errors import InputError
from holdfast.evaluation.cascade import Cascade, Example, Stage
from holdfast.evaluation.curve import check_curve, curve
from holdfast.evaluation.display import Display
from holdfast.evaluation.document import Outcome, contents, document
from holdfast.evaluation.forecast import forecast
from holdfast.evaluation.provenance import Provenance
from holdfast.evaluation.setting import Setting, identify
from holdfast.evaluation.suites import Suite, get_suite
from holdfast.inputs import check_input
from holdfast.models import Finding, Model, Verdict, frozen, inspect, wrap
from holdfast.rng import Rng
from holdfast.runtime import deterministic, precision, resolve_device
from holdfast.threat import ThreatModel
from holdfast.units import Number

log = logging.getLogger("holdfast")

LOOKED_AT = 128  # examples on which the model's habits are inspected


def evaluate(
    model: nn.Module,
    data: Examples,
    *,
    threat: ThreatModel,
    out: Path | str,
    suite: str | Suite = "standard",
    seed: int = 0,
    n: int | None = None,
    batch_size: int | None = None,
    device: str | None = None,
    eps: Sequence[Number] = (),
    exhaustive: bool = False,
    search: str = "float32",
    provenance: Provenance | None = None,
    quiet: bool = False,
) -> Claim:
    """Attack `model` on `data` within `threat` and return the claim, written to the folder `out`.

    n: evaluate a random subset of so many examples (its ids are stored). eps: further radii for a
    security curve. exhaustive: run every attack on what others broke, too, and count who alone
    would have broken it. search: "bfloat16" lets the attacks search in low precision; verdicts are
    always float32. provenance: the training run behind the model. A second call with the same
    arguments continues where the first was stopped; several processes (torch.distributed) share
    the work if they share `out`.

    Raises InputError for data, labels or a model that cannot be evaluated, before anything is
    written.
    """
    with deterministic():
        setting = prepare(
            model,
            data,
            threat=threat,
            suite=suite,
            seed=seed,
            n=n,
            batch_size=batch_size,
            device=device,
            search=search,
        )
        threats = check_curve(threat, eps)
        with frozen(setting.judge), frozen(setting.search):
            findings = look_at(setting)
            return _run(setting, threats, findings, Path(out), exhaustive, provenance, quiet)


def prepare(
    model: nn.Module,
    data: Examples,
    *,
    threat: ThreatModel,
    suite: str | Suite,
    seed: int,
    n: int | None,
    batch_size: int | None,
    device: str | None,
    search: str,
) -> Setting:
    """Check the inputs and bind everything that the numbers depend on; writes nothing."""
    judge = wrap(model)
    if tuple(judge.range) != tuple(threat.space.range):
        raise InputError(
            f"the model takes inputs in {tuple(judge.range)} and the threat model's set in "
            f"{tuple(threat.space.range)}: give both the same range"
        )
    where = resolve_device(device)
    # A copy, so that neither the move to another device nor the freezing touches the user's model.
    judge = copy.deepcopy(judge).to(where).eval()
    positions = _subset(data, n, seed)
    size = batch_size or _batch_size(data)
    first = data.batch(positions[: min(size, LOOKED_AT)])
    num_classes = _num_classes(judge, first.x.to(where))
    for part in positions.split(4096):
        batch = data.batch(part)
        check_input(batch.x, batch.y, judge.range, num_classes)
    threat.space.around(first.x)  # refuses an eps that the inputs' shape does not allow
    chosen = get_suite(suite)
    run = {"seed": seed, "batch_size": size, "precision": search, "device": where.type}
    return Setting(
        judge=judge,
        search=_searcher(judge, search),
        data=data,
        positions=positions,
        threat=threat,
        suite=chosen,
        members=chosen.parts(num_classes),
        num_classes=num_classes,
        seed=seed,
        batch_size=size,
        precision=search,
        device=where,
        identity=identify(judge, data, threat, run),
    )


def look_at(setting: Setting) -> list[Finding]:
    """Inspect the model's habits on the first examples; refuse one that returns probabilities."""
    batch = setting.data.batch(setting.positions[:LOOKED_AT])
    findings = inspect(setting.judge, batch.x.to(setting.device), batch.y.to(setting.device))
    for finding in findings:
        if finding.id == "logits" and finding.status is Verdict.FAIL:
            raise InputError(f"{finding.message}: {finding.remedy}")
    return findings


def _run(
    setting: Setting,
    threats: Sequence[ThreatModel],
    findings: Sequence[Finding],
    out: Path,
    exhaustive: bool,
    provenance: Provenance | None,
    quiet: bool,
) -> Claim:
    ledger = Ledger(out / "ledger")
    expected = forecast(setting) * len(threats)
    with Display(setting, len(threats), expected, quiet=quiet) as display:
        rank, world = _place()
        outcomes = _cascades(setting, threats, ledger, exhaustive, display, rank, world)
    if world > 1:
        distributed.barrier()
        if rank == 0:  # every segment is there now: reading them in order is the merge
            with Display(setting, len(threats), expected, quiet=True) as display:
                outcomes = _cascades(setting, threats, ledger, exhaustive, display, 0, 1)
    if rank == 0:
        facts: dict[str, Any] = {
            "exhaustive": exhaustive,
            "forecast_seconds": round(expected, 1),
            "curve": curve(outcomes) if len(outcomes) > 1 else [],
            "training": provenance.plain() if provenance else None,
        }
        outcome = next(o for t, o in zip(threats, outcomes, strict=True) if t == setting.threat)
        files = contents(setting, outcome) | (provenance.files() if provenance else {})
        write_claim(out, document(setting, outcome, findings, **facts), files)
    if world > 1:
        distributed.barrier()
    return Claim.load(out)


def _cascades(
    setting: Setting,
    threats: Sequence[ThreatModel],
    ledger: Ledger,
    exhaustive: bool,
    display: Display,
    rank: int,
    world: int,
) -> list[Outcome]:
    """Run every radius, smallest first, on this process's share of the chunks."""
    chunks = setting.chunks()[rank::world]
    before: list[list[Example]] = [[] for _ in chunks]
    outcomes = []
    for threat in threats:
        here = setting.within(threat)
        cascade = Cascade(here, ledger, exhaustive=exhaustive, tick=display.tick)
        stages: list[Stage] = []
        for i, chunk in enumerate(chunks):
            before[i], done = cascade.run(chunk, before[i])
            stages += done
        examples = [example for chunk in before for example in chunk]
        outcomes.append(Outcome(threat.space.eps, examples, stages))
    return outcomes


def _subset(data: Examples, n: int | None, seed: int) -> Tensor:
    if n is None or n == len(data):
        return torch.arange(len(data))
    if not 1 <= n <= len(data):
        raise InputError(f"n must be in 1..{len(data)} (the examples at hand), got {n}")
    order = Rng(seed, data.ids).fold("subset").uniform().argsort(stable=True)
    return order[:n].sort().values


def _batch_size(data: Examples) -> int:
    """Return a batch that keeps two cores busy without leaving their caches."""
    numbers = data.batch(torch.zeros(1, dtype=torch.int64)).x.numel()
    return 256 if numbers <= 1024 else 128 if numbers <= 16_384 else 32


def _num_classes(judge: Model, x: Tensor) -> int:
    with torch.no_grad(), frozen(judge):
        return int(judge(x).shape[1])


def _searcher(judge: Model, name: str) -> Model:
    chosen = precision(name)
    converted = chosen.convert(judge.module)
    return judge if converted is judge.module else judge.around(converted)


def _place() -> tuple[int, int]:
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()
