"""A training run from its arguments to its result: set up or resume, train, load the best."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast import runtime
from holdfast.arguments import checked
from holdfast.claims.chance import guessing, may_be_chance
from holdfast.components import build
from holdfast.copying import copied
from holdfast.data import Examples
from holdfast.data.adapt import training_parts
from holdfast.errors import InputError
from holdfast.interruption import interruptible
from holdfast.models import Model
from holdfast.models.normalization import Channel
from holdfast.printable import printable
from holdfast.storage import user_path
from holdfast.threat import ThreatModel
from holdfast.training import state as checkpoints
from holdfast.training.loop import Export, TrainJob, fit
from holdfast.training.methods import Madry, Method
from holdfast.training.model_files import card_of, read_model, write_model
from holdfast.training.origins import note_origin
from holdfast.training.plan import TrainPlan
from holdfast.training.progress import Progress
from holdfast.training.run_folder import metrics_facts, open_run, read_run, write_run
from holdfast.training.setup import NetworkLike, TrainingSetup, prepare
from holdfast.training.state import Record, TrainState
from holdfast.training.validation import Validate
from holdfast.units import Count, Seed


@dataclass(frozen=True)
class Snapshot:
    """A model that a run kept, with its validation figures (fractions of 1)."""

    name: str  # "best" or "last"
    path: Path
    epoch: int
    clean: float
    robust: float
    architecture: nn.Module | None = field(default=None, repr=False)  # where the user built it

    @cached_property
    def model(self) -> Model:
        """Return the model, loaded from its folder when first asked for, in eval mode."""
        network = self.architecture
        model = read_model(self.path, None if network is None else copied(network))
        note_origin(model, self.path.parent, self.name)
        return model


@dataclass(frozen=True, repr=False)
class TrainResult:
    """The result of training: `model` holds the best epoch's weights, in eval mode.

    finished: "completed", or the event that ended the run early.
    """

    model: Model
    best: Snapshot
    last: Snapshot
    history: list[Record]
    out: Path
    finished: str

    def __repr__(self) -> str:
        kept = (
            f"{one.name} epoch {one.epoch}, clean {one.clean:.1%}, robust {one.robust:.1%}"
            for one in (self.best, self.last)
        )
        where = f"{printable(str(self.out))}, {self.finished}"
        how = "of the validation part (short PGD; evaluate for a claim)"
        return f"<TrainResult in {where}: {'; '.join(kept)} {how}>"


@checked
def train(
    model: NetworkLike,
    train_data: Any,
    *,
    threat: ThreatModel,
    method: Method | str | None = None,
    epochs: Count | None = None,
    out: str | Path,
    seed: Seed = 0,
    resume: bool = False,
    plan: TrainPlan | None = None,
    validation: Any = 0.1,
    validate: Validate | None = None,
    normalize: tuple[Channel, Channel] | None = None,
    device: str | torch.device | None = None,
    quiet: bool = False,
    command: str | None = None,
) -> TrainResult:
    """Train a network within a threat model; the run lies in the folder `out`.

    model: a network's name, its specification, or a module (trained in place). train_data: the name
    or path of a set, examples, a pair (x, y), a torch Dataset or DataLoader. validation: the split
    that chooses the checkpoint, a fraction to hold out of them (where they bring no validation
    part) or other examples. method: Madry() by default; a name ("trades") means its defaults.
    epochs: of the plan, 30 by default. resume: continue the run that `out` holds, bit for bit.
    validate: called after every epoch in place of the validation (see `Validate`). normalize:
    (mean, std) applied inside the model. command: the command that resumes the run, printed when a
    signal (Ctrl-C, SIGTERM, SIGHUP) ends it.

    Returns `.model`, `.best` (by robust validation accuracy) and `.last`, with their figures.
    Everything but times is a function of these arguments, the thread count and the versions. Raises
    InputError, ConfigError or StorageError, also where another process works in `out`, before
    anything is written, and Interrupted, a KeyboardInterrupt, after saving.
    """
    out, plan = user_path(out, "out"), plan or TrainPlan()
    setup = prepare(
        model,
        training_parts(train_data, validation, threat.space.range),
        threat=threat,
        method=Madry() if method is None else build("method", method),
        plan=plan if epochs is None else replace(plan, epochs=epochs),
        seed=seed,
        normalize=normalize,
        device=device,
    )
    with ExitStack() as stack:
        hidden = quiet or not setup.group.first
        progress = Progress(setup.plan.epochs, setup.feed.steps, quiet=hidden)
        stack.enter_context(interruptible())
        stack.enter_context(setup.group.locked(out, "a training run"))
        threads = open_run(out, setup.settings, setup.environment, resume=resume)
        stack.enter_context(runtime.threads(threads))
        stack.enter_context(runtime.deterministic())
        stack.enter_context(_print_resume_command(progress, command or _resume_command(out)))
        state = setup.state()
        setup.group.wait()  # until every process has looked at the folder
        if threads is None:
            _write_initial_state(state, setup, out, command)
        setup.group.wait()
        if threads is not None:
            _continue(state, out, progress)
        progress.say(_opening(setup))
        job = TrainJob(
            feed=setup.feed,
            step=setup.step,
            validate=validate or setup.validator,
            held_out=len(setup.held_out),
            export=_exporter(state, setup, out),
            folder=out,
            environment={**setup.environment, "threads": torch.get_num_threads()},
            progress=progress,
        )
        fit(state, job)
        setup.group.wait()
        result = _result(state, setup, out)
        if validate is None and (doubt := _chance(result.best, setup.held_out)):
            progress.say(doubt)
    return result


@checked
def load_run(path: str | Path, which: str = "best", network: nn.Module | None = None) -> Model:
    """Return the model that a run kept, in eval mode on the CPU.

    which: "best" (by robust validation accuracy) or "last". network: the module to load into, for
    runs on a network of the user's own. Raises InputError or StorageError.
    """
    if which not in {"best", "last"}:
        raise InputError(f"which must be 'best' or 'last', got {which!r}")
    path = user_path(path)
    read_run(path)
    if not (path / which / "model.json").exists():
        raise InputError(f"{path} has no {which} model yet: finish its first epoch with --resume")
    model = read_model(path / which, network)
    note_origin(model, path, which)
    return model


def _write_initial_state(
    state: TrainState, setup: TrainingSetup, out: Path, command: str | None
) -> None:
    """Write the description of the run and its state before the first step."""
    if setup.group.first:
        write_run(
            out,
            setup.settings,
            setup.environment,
            sentence=setup.threat.sentence(),
            command=command,
            parts=setup.parts,
        )
        checkpoints.save(state, out / "checkpoints", setup.environment)


def _continue(state: TrainState, out: Path, progress: Progress) -> None:
    checkpoint = checkpoints.newest(out / "checkpoints")
    if checkpoint is not None:  # none: killed before the first one, which holds no training yet
        checkpoints.load(state, checkpoint)
        progress.say(f"{out}: resumed after epoch {state.epoch}, step {state.step}")


def _opening(setup: TrainingSetup) -> str:
    examples, plan = int(setup.feed.label_counts.sum()), setup.plan
    name = setup.spec["type"] if setup.spec else setup.model.title
    return (
        f"training {name} on {examples:,} examples, {setup.threat.space.sentence()}: "
        f"{plan.epochs:,} epochs of {setup.feed.steps:,} steps"
    )


def _exporter(state: TrainState, setup: TrainingSetup, out: Path) -> Export:
    def export(name: str, model: nn.Module, record: Record) -> None:
        assert isinstance(model, Model), "the loop trains wrapped networks"
        facts = {key: record[key] for key in ("epoch", "clean", "robust", "event")}
        if name == "last":
            facts["metrics"] = metrics_facts(state.history)
        write_model(out / name, model, {**setup.card, **facts})

    return export


def _result(state: TrainState, setup: TrainingSetup, out: Path) -> TrainResult:
    """Put the best weights into the trained network and return the result."""
    read_model(out / "best", setup.model)
    note_origin(setup.model, out, "best")
    architecture = setup.model.module if setup.spec is None else None
    kept = {
        name: Snapshot(
            name=name,
            path=out / name,
            architecture=architecture,
            **{key: card_of(out / name)[key] for key in ("epoch", "clean", "robust")},
        )
        for name in ("best", "last")
    }
    return TrainResult(
        model=setup.model.eval(),
        best=kept["best"],
        last=kept["last"],
        history=state.history,
        out=out,
        finished=str(state.finished),
    )


def _chance(best: Snapshot, held_out: Examples) -> str:
    """Return a sentence where the model may be no better than a guess on the unchanged inputs."""
    n = len(held_out)
    share = guessing(held_out.y.tolist(), held_out.num_classes)
    if not may_be_chance(round(best.clean * n), n, share):
        return ""
    return (
        f"CHANCE: the best epoch is right on {best.clean:.1%} of {n:,} unchanged validation "
        f"examples, no more than a guess may reach ({share:.1%} by one answer for all of them): "
        "its robust accuracy says nothing"
    )


@contextmanager
def _print_resume_command(progress: Progress, command: str) -> Iterator[None]:
    """Print the command that resumes the run when a signal ends it."""
    try:
        yield
    except KeyboardInterrupt:
        progress.say(f"interrupted; continue with: {command}")
        raise


def _resume_command(out: Path) -> str:
    return f"the same call of train(out={str(out)!r}, resume=True)"
