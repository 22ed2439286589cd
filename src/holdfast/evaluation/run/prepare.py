"""Conversion of arguments to a setup, or one clear error before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.claims import model_digest
from holdfast.claims.schema import NAME, POINTS, largest_batch
from holdfast.copying import copied, deep_copy
from holdfast.data import Batch, Examples
from holdfast.errors import HoldfastError, InputError, in_one_line
from holdfast.evaluation.run.admission import check_suite
from holdfast.evaluation.run.budget import granted
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.suites import Suite
from holdfast.inputs import check_input
from holdfast.models import Finding, Model, Verdict, count_classes, inspect, wrap
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.runtime import dtype_of, resolve_device
from holdfast.runtime import precision as precision_of
from holdfast.threat import ThreatModel
from holdfast.threat.goals.targeted import check_class
from holdfast.threat.space import check_ranges

LOOKED_AT = 128  # examples, at most, on which the model's habits are inspected
AT_ONCE = 4096  # examples whose values are checked at once


def prepare(
    model: nn.Module,
    data: Examples,
    *,
    threat: ThreatModel,
    suite: Suite,
    seed: int = 0,
    n: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    surrogate: nn.Module | None = None,
    precision: str = "float32",
    exhaustive: bool = False,
    about_twin: dict[str, Any] | None = None,
) -> EvaluationSetup:
    """Check everything and bind it, on a copy of the model; writes nothing.

    about_twin: a claim's facts about a surrogate that is not at hand; nothing can be attacked.
    Raises InputError, ConfigError or Unsupported for arguments that cannot be evaluated.
    """
    wrapped = wrap(model)
    data = data.in_columns(wrapped.labels)
    check_ranges(wrapped.range, threat.space, data.range)
    where, chosen = resolve_device(device), precision_of(precision)
    in_training = frozenset(name for name, part in wrapped.named_modules() if part.training)
    judge = _own(wrapped, where)
    dtype = dtype_of(judge)
    positions = subset(data, n, seed)
    size = _batch_size(data, len(positions), batch_size)
    _check_room(data, suite, len(positions))
    first = data.batch(positions[:size]).to(where)
    first = Batch(first.x.to(dtype), first.y, first.ids)
    num_classes = count_classes(judge, first.x)
    for part in positions.split(AT_ONCE):
        batch = data.batch(part)
        check_input(batch.x, batch.y, judge.range, num_classes)
    check_class(threat.goal, num_classes, "an evaluation")
    members = suite.parts(num_classes)
    twin = None if surrogate is None else _twin(surrogate, judge, first.x, num_classes)
    exact = twin or judge
    if about_twin is None or twin is not None:
        objective = Objective(threat, exact, first.x, first.y, judge=judge)
        region = threat.space.around(first.x)  # refuses inputs that the set does not fit
        check_suite(suite, members, objective, region)
    if exact.box is not None and precision != "float32":
        raise InputError(f"a black box has one precision, its own: leave out {precision}")
    low = chosen.convert(exact.module)
    searcher = exact if low is exact.module else exact.around(low)
    if searcher is not exact:
        count_classes(searcher, first.x)
    if twin is not None:
        about_twin = {"name": twin.title[:NAME], "digest": model_digest(twin)}
    setup = EvaluationSetup(
        judge=judge,
        search=searcher,
        twin=twin,
        about_twin=about_twin,
        data=data,
        positions=positions,
        threat=threat,
        suite=suite,
        members=members,
        num_classes=num_classes,
        seed=seed,
        batch_size=size,
        precision=precision,
        device=where,
        dtype=dtype,
        exhaustive=exhaustive,
        in_training=in_training,
    )
    return replace(setup, granted=granted(setup))


def _own(model: Model, device: torch.device) -> Model:
    """Return a copy on `device`, which neither a move nor a forward pass changes for the user.

    A network that refuses to be copied is taken as it is where it is there already: the
    evaluation freezes it and gives it back as it was.
    """
    try:
        return deep_copy(model).to(device).eval()
    except Exception:  # noqa: BLE001 - an attribute may raise any type
        here = [tensor.device for tensor in (*model.parameters(), *model.buffers())]
        there = torch.empty(0, device=device).device  # with its number
        return model if all(place == there for place in here) else copied(model).to(device).eval()


def look_at(setup: EvaluationSetup) -> list[Finding]:
    """Inspect the model's habits on the first examples; refuse one that returns probabilities."""
    few = min(LOOKED_AT, setup.batch_size)
    batch = setup.data.batch(setup.positions[:few]).to(setup.device)
    try:
        with _as_it_came(setup):
            searched = [setup.twin] if setup.twin else [] if setup.about_twin else None
            findings = inspect(setup.judge, batch.x.to(setup.dtype), batch.y, searched)
    except HoldfastError:
        raise
    except Exception as error:  # a user's network may raise anything
        raise InputError(f"the model cannot be differentiated: {in_one_line(error)}") from error
    for finding in findings:
        if finding.id == "logits" and finding.status is Verdict.FAIL:
            raise finding.refusal()
    return findings


@contextmanager
def _as_it_came(setup: EvaluationSetup) -> Iterator[None]:
    """Put the judge into the modes that the user's model is in, which the inspection compares."""
    parts = [part for name, part in setup.judge.named_modules() if name in setup.in_training]
    try:
        for part in parts:
            part.training = True
        yield
    finally:
        for part in parts:
            part.training = False


def subset(data: Examples, n: int | None, seed: int) -> Tensor:
    """Return (n,) positions, ascending: all of them, or the random subset that `seed` stands for.

    Raises InputError unless 1 <= n <= len(data).
    """
    if n is None or n == len(data):
        return torch.arange(len(data))
    if not 1 <= n <= len(data):
        raise InputError(f"n must be in 1..{len(data)} (the examples at hand), got {n}")
    order = Rng(seed, data.ids).fold("subset").uniform().argsort(stable=True)
    return order[:n].sort().values


def _check_room(data: Examples, suite: Suite, n: int) -> None:
    """Refuse now a name that a claim would have no room for at the end."""
    if n > POINTS:
        raise InputError(f"a claim holds at most {POINTS:,} examples, got {n:,}: pass a smaller n")
    members = [member.name for member in suite.members]
    for name in (data.name, *(data.classes or ()), suite.name, *members):
        if len(name) > NAME:
            raise InputError(
                f"a name may have {NAME:,} characters, {name[:40]!r}... has {len(name):,}: "
                "shorten it"
            )


def _batch_size(data: Examples, n: int, wanted: int | None) -> int:
    """Return the size of every batch; by default one that stays in the caches of a core or two."""
    if wanted is not None:
        most = largest_batch(n)
        if not 1 <= wanted <= most:
            raise InputError(f"batch_size must be in 1..{most:,}, got {wanted}")
        return wanted
    numbers = data.batch(torch.zeros(1, dtype=torch.int64)).x.numel()
    return 128 if numbers <= 16_384 else 32


def _twin(surrogate: nn.Module, judge: Model, x: Tensor, num_classes: int) -> Model:
    """Return a copy of the surrogate, in eval mode; InputError unless it fits the judge."""
    given = wrap(surrogate)
    if tuple(given.range) != tuple(judge.range):
        raise InputError(
            f"the surrogate takes inputs in {tuple(given.range)} and the model in "
            f"{tuple(judge.range)}: wrap both with the same range"
        )
    twin = _own(given, x.device)
    found = count_classes(twin, x)
    if found != num_classes:
        raise InputError(
            f"the surrogate has {found} classes and the model {num_classes}: give one that "
            "tells the same classes apart"
        )
    return twin
