"""The one training loop: batches, steps, checkpoints, validation, the record of each epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from holdfast.errors import HoldfastError, Interrupted
from holdfast.interruption import Interruption, deferred
from holdfast.training import failure_detection as watch
from holdfast.training import state as checkpoints
from holdfast.training.batches import Feed
from holdfast.training.progress import Progress
from holdfast.training.run_folder import write_metrics
from holdfast.training.state import Record, TrainState
from holdfast.training.step import (
    CLEAN_RIGHT,
    CLEAN_SEEN,
    FOUND_RIGHT,
    LOSS,
    NETWORK,
    SEEN,
    Step,
)
from holdfast.training.validation import Validate

Export = Callable[[str, nn.Module, Record], None]
"""Called with "best" or "last", the model and its record, to store it."""


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """The work of a run; its progress is in the state.

    held_out: validation examples. environment goes into checkpoints.
    """

    feed: Feed
    step: Step
    validate: Validate
    held_out: int
    export: Export
    folder: Path
    environment: Mapping[str, Any]
    progress: Progress


def fit(state: TrainState, job: TrainJob) -> None:
    """Train until the plan or an event ends it; the state is changed in place.

    Raises Interrupted, after a checkpoint, when a signal asks for the end; HoldfastError if the
    loss is not finite and there is nothing to go back to.
    """
    _write_metrics(state, job)
    with deferred() as interruption, job.progress:
        while state.finished is None:
            _run_epoch(state, job, interruption)
            _end_epoch(state, job, interruption)
    if state.best is None:
        raise HoldfastError(watch.explain(watch.Event.DIVERGED, state.history[-1], None))


def _run_epoch(state: TrainState, job: TrainJob, interruption: Interruption) -> None:
    minutes = job.step.plan.checkpoint_minutes if job.feed.seekable else None
    clock = saved = time.monotonic()
    for batch in job.feed.batches(state.seed, state.epoch, state.position):
        stop = job.step(state, batch, stop=interruption.requested)
        now = time.monotonic()
        state.seconds, clock = state.seconds + now - clock, now
        job.progress.tick(state)
        if stop or (minutes is not None and now - saved >= 60 * minutes):
            if job.feed.seekable:
                _checkpoint(state, job)
            clock = saved = time.monotonic()
        if stop:
            job.step.group.wait()  # a launcher ends all processes when one of them ends
            raise interruption.error()


def _end_epoch(state: TrainState, job: TrainJob, interruption: Interruption) -> None:
    """Validate, record, export and save: after this, a kill loses nothing of the epoch."""
    model = _validated(state)
    job.progress.validates()
    began = time.monotonic()
    scores = job.step.group.agree(_scores(model, state, job, interruption))
    record = _record(state, job.step, scores, time.monotonic() - began)
    before = state.best
    event = _event(state, job, record, before)
    record["event"] = None if event is None else str(event)
    record["best"] = record["event"] != watch.Event.DIVERGED and _better(
        record, before, job.step.method.adversarial
    )
    state.history.append(record)
    state.epoch, state.position, state.seconds = state.epoch + 1, 0, 0.0
    state.totals.zero_()
    state.finished = _ending(state, job.step.plan.epochs)
    if job.step.group.first:
        job.export("last", model, record)
        if record["best"]:
            job.export("best", model, record)
    _checkpoint(state, job)
    _write_metrics(state, job)
    job.progress.epoch(state, record)
    if record["event"] is not None and state.best is not None:
        job.progress.say(watch.explain(record["event"], record, state.best))


def _scores(
    model: nn.Module, state: TrainState, job: TrainJob, interruption: Interruption
) -> dict[str, float]:
    """Return the validation's figures; a signal ends it at once, with a checkpoint before it.

    Schedulers wait half a minute. Where other processes wait for this one it goes on to its end.
    """
    if job.step.group.size > 1 or not job.feed.seekable:
        return job.validate(model)
    try:
        with interruption.at_once():
            return job.validate(model)
    except Interrupted:
        _checkpoint(state, job)
        raise


def _validated(state: TrainState) -> nn.Module:
    """Return the network that is the model: the averaged one if there is one."""
    if NETWORK in state.averages:
        return state.averages[NETWORK].module
    return state.modules[NETWORK]


def _record(
    state: TrainState, step: Step, scores: Mapping[str, float], validation_seconds: float
) -> Record:
    """Return the epoch's line of metrics.jsonl; accuracies and losses are means over the epoch."""
    totals = state.totals.tolist()
    seen, clean_seen = totals[SEEN], totals[CLEAN_SEEN]
    return {
        "epoch": state.epoch + 1,
        "train_loss": watch.finite(totals[LOSS] / seen),
        "train_clean": totals[CLEAN_RIGHT] / clean_seen if clean_seen else None,
        "train_perturbed": totals[FOUND_RIGHT] / seen,
        "clean": scores["clean"],
        "robust": scores["robust"],
        "lr": step.lr(state.step - 1),
        "seconds": round(state.seconds + validation_seconds, 3),
        "examples_per_second": round(seen / max(state.seconds, 1e-9), 1),
        "best": False,
        "event": None,
    }


def _event(state: TrainState, job: TrainJob, record: Record, best: Record | None) -> str | None:
    step = job.step
    if record["train_loss"] is None:
        return watch.Event.DIVERGED
    smoothing = step.plan.label_smoothing
    entropy = watch.label_entropy(job.feed.label_counts, smoothing)
    settled = state.step >= watch.SETTLED or record["epoch"] == step.plan.epochs
    if settled and watch.constant(state.totals, entropy):
        return watch.Event.CONSTANT
    if step.method.adversarial and watch.collapsed(
        record["robust"], None if best is None else best["robust"], job.held_out
    ):
        return watch.Event.OVERFITTING
    patience = step.plan.patience
    if patience is not None and best is not None:
        waited = record["epoch"] - best["epoch"] >= patience
        if waited and not _better(record, best, step.method.adversarial):
            return watch.Event.PATIENCE
    return None


def _better(record: Record, best: Record | None, adversarial: bool) -> bool:
    """Compare by robust, then clean validation accuracy; the other way round for other methods.

    A method that claims no robustness would otherwise be judged by its least trained epoch.
    """
    if best is None:
        return True
    keys = ("robust", "clean") if adversarial else ("clean", "robust")
    return [record[key] for key in keys] > [best[key] for key in keys]


def _ending(state: TrainState, epochs: int) -> str | None:
    if watch.stops(state.history, epochs):
        return str(state.history[-1]["event"])
    return "completed" if state.epoch >= epochs else None


def _checkpoint(state: TrainState, job: TrainJob) -> None:
    if job.step.group.first:
        checkpoints.save(state, job.folder / "checkpoints", job.environment)


def _write_metrics(state: TrainState, job: TrainJob) -> None:
    if job.step.group.first:
        write_metrics(job.folder, state.history)
