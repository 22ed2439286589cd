"""The work of each verb: configuration in, the Python surface called, the result said."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console

from holdfast import api
from holdfast.claims import Claim
from holdfast.cli import batches, detail, follow_up, listing, subject
from holdfast.data import as_examples
from holdfast.errors import ConfigError, Interrupted
from holdfast.evaluation import export_png
from holdfast.locking import locked
from holdfast.printable import printable
from holdfast.storage import user_path
from holdfast.training import TrainResult

SIGNALED = 128


def say(text: object) -> None:
    """Print one line of a result to standard output; of several processes, the first one does."""
    if os.environ.get("RANK", "0") != "0":
        return
    lines = "\n".join(map(printable, str(text).split("\n")))
    Console(soft_wrap=True).print(lines, markup=False, highlight=False)


def train(
    recipe: str | None, given: Mapping[str, Any], changes: Sequence[str], *, quiet: bool
) -> None:
    """Train as configured and print the outcome."""
    settings = subject.configuration("train", recipe, given, changes)
    if settings.data is None:
        raise ConfigError("say which data to train on: --data digits, --data cifar10.npz ...")
    out = settings.out or _missing("runs/a")
    again = subject.words_of("train", recipe, {**given, "resume": True}, changes)
    with _going_on(again, quiet):
        result = api.train(
            subject.network_of(settings),
            settings.data,
            threat=settings.threat,
            method=settings.method,
            plan=settings.plan,
            validation=settings.validation,
            normalize=_tensors(settings.normalize),
            out=out,
            seed=settings.seed,
            resume=settings.resume,
            device=settings.device,
            quiet=quiet,
            command=again,
        )
    for line in _kept(result):
        say(line)
    if not quiet:
        say(f"next: {follow_up.after_training(settings, out)}")


def attack(
    recipe: str | None, given: Mapping[str, Any], changes: Sequence[str], *, quiet: bool
) -> None:
    """Run one attack over the data and count the examples that it broke."""
    settings = subject.configuration("attack", recipe, given, changes)
    model = subject.model_of(settings.model, settings.weights, settings.outputs)
    threat = subject.threat_of(settings.threat, settings.model, settings.weights)
    data = subject.data_of(settings.data, settings.model, settings.weights)
    examples = as_examples(data, part="test", range=model.range)
    if settings.out is None:
        found = batches.attack_all(model, examples, threat, settings, quiet=quiet)
        say(found.sentence(threat, settings.attack))
    else:
        out = user_path(settings.out, "out")
        batches.check_folder(out)
        with locked(out, "an attack"):  # also finds out before the work whether it can be written
            found = batches.attack_all(model, examples, threat, settings, quiet=quiet)
            say(found.sentence(threat, settings.attack))
            say(f"wrote {found.write(out)}")
    if recipe is None and not quiet:  # a file's section for evaluate need not say the same
        say(f"next: {follow_up.after_attack(given, changes)}")


def evaluate(
    recipe: str | None,
    given: Mapping[str, Any],
    changes: Sequence[str],
    *,
    png: str | None,
    quiet: bool,
) -> None:
    """Evaluate as configured and print the claim."""
    settings = subject.configuration("evaluate", recipe, given, changes)
    model = subject.model_of(settings.model, settings.weights, settings.outputs)
    threat = subject.threat_of(settings.threat, settings.model, settings.weights)
    data = subject.data_of(settings.data, settings.model, settings.weights)
    examples = as_examples(data, part="test", range=model.range)
    out = settings.out or _missing("claims/a")
    if png is not None:
        with locked(user_path(png, "png"), "an export"):
            pass  # or a mistake would show after the work alone
    with _going_on(subject.words_of("evaluate", recipe, {**given, "png": png}, changes), quiet):
        claim = api.evaluate(
            model,
            examples,
            threat=threat,
            suite=settings.suite,
            out=out,
            seed=settings.seed,
            n=settings.n,
            batch_size=settings.batch_size,
            device=settings.device,
            eps=settings.eps or (),
            exhaustive=settings.exhaustive,
            precision=settings.precision,
            surrogate=None
            if settings.surrogate is None
            else subject.model_of(settings.surrogate, None),
            quiet=quiet,
        )
    say(claim)
    if not quiet:
        say(f"next: {follow_up.after_evaluation(claim)}")
    if png is not None:
        say(export_png(claim, model=model, data=examples, out=png, quiet=quiet))


def verify(
    folder: Path,
    model: str | None,
    weights: str | None,
    data: str | None,
    *,
    outputs: str | None = None,
    replay: int | None = None,
    replay_seed: int | None = None,
    surrogate: str | None = None,
    key: str | None = None,
    quiet: bool = False,
) -> None:
    """Re-check a claim; the run folder and the set that it names are the defaults.

    A claim's word is data: it names a folder of weights or a known set, it is never imported,
    opened as a path of any other kind, or asked over a network.
    """
    document = Claim.load(folder).document
    if data is None:
        data = subject.data_of_claim(document)
    if model is None:
        loaded = subject.model_of_claim(document)
    else:
        default = subject.outputs_of_claim(document)
        loaded = subject.model_of(model, weights, outputs, default=default)
    twin = None if surrogate is None else subject.model_of(surrogate, None)
    options: dict[str, Any] = {"replay": replay, "replay_seed": replay_seed, "key": key}
    say(api.verify(folder, model=loaded, data=data, surrogate=twin, quiet=quiet, **options))


def sign(folder: Path, key: str, signer: str, passphrase: str | None) -> None:
    """Sign a claim and say with which key."""
    found = api.sign(folder, key=key, signer=signer, passphrase=passphrase)
    say(f"{folder} is {found}")


def report(claims: Sequence[Path], out: str | None, names: Sequence[str] | None) -> None:
    """Write or print the report of some claims."""
    written = api.report(claims, out, names=names)
    if written is not None:
        say(f"wrote {written}")


def demo(out: str, *, quiet: bool) -> None:
    """Run the demo; VerificationError if its figures are missed."""
    from holdfast.recipes.demo import run

    with _going_on(shlex.join(["holdfast", "demo", "--out", out]), True):  # its parts are quiet
        run(user_path(out, "out"), Console(quiet=quiet))


def list_components(name: str | None) -> None:
    """Print the components of one kind or of all, or one component in full."""
    kind = None if name is None else listing.as_kind(name)
    if name is None or kind is not None:
        listing.show(kind, Console())
    else:
        detail.show(name, Console())


@contextmanager
def _going_on(command: str, quiet: bool) -> Iterator[None]:
    """End with the status of a signal that ended the work, as shells report it: 128 + its number.

    Print the command that resumes the work even if it was told to print nothing.
    """
    try:
        yield
    except Interrupted as error:
        if quiet:
            sys.stderr.write(f"interrupted; continue with: {command}\n")
        raise typer.Exit(SIGNALED + error.signal) from error


def _missing(example: str) -> str:
    raise ConfigError(f"say where to write: add --out FOLDER, as in --out {example}")


def _tensors(normalize: Any) -> Any:
    return None if normalize is None else tuple(torch.tensor(values) for values in normalize)


def _kept(result: TrainResult) -> list[str]:
    lines = [
        f"{kept.name}: epoch {kept.epoch}, clean {kept.clean:.1%}, robust {kept.robust:.1%} of the "
        f"validation part (short PGD; evaluate for a claim) in {kept.path}"
        for kept in (result.best, result.last)
    ]
    return lines if result.finished == "completed" else [*lines, f"ended: {result.finished}"]
