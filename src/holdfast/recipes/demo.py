"""The demo: three networks, one of them adversarially trained, evaluated, verified and reported."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast import api
from holdfast.attacks import PGD
from holdfast.claims import Accuracy, Claim, Withheld
from holdfast.errors import VerificationError
from holdfast.evaluation import Verification
from holdfast.locking import locked
from holdfast.models import Model, SmallCNN
from holdfast.progress import counting
from holdfast.runtime import threads
from holdfast.spaces import Linf
from holdfast.storage import shell_path
from holdfast.threat import ThreatModel
from holdfast.training import (
    Adam,
    Cyclic,
    Madry,
    Method,
    NoiseAugmented,
    Standard,
    TrainPlan,
)

THREAT = ThreatModel(Linf(eps=0.2))
NETWORK = SmallCNN(width=16, hidden=100)
BAR = 8  # characters
FEW = 20  # epochs that the two methods without an attack need
PLAN = TrainPlan(
    epochs=60,
    batch_size=64,
    optimizer=Adam(lr=6e-3, weight_decay=5e-4),
    schedule=Cyclic(peak=0.3),
    ema=0.99,
)


@dataclass(frozen=True)
class Entry:
    """One network of the demo. least, most: between what its robust accuracy must end."""

    name: str
    method: Method
    epochs: int
    least: float = 0.0
    most: float = 1.0


ENTRIES = (
    Entry("standard", Standard(), FEW, most=0.15),
    Entry("noise-augmented", NoiseAugmented(), FEW, most=0.15),
    Entry(
        "adversarial",
        Madry(attack=PGD(steps=7, step_size=0.3)),
        PLAN.epochs,
        least=0.55,
    ),
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of one entry."""

    entry: Entry
    claim: Claim
    proven: Verification
    seconds: float

    @property
    def robust(self) -> Accuracy | None:
        """Return the robust accuracy, None where it is withheld."""
        robust = self.claim.robust_accuracy
        return None if isinstance(robust, Withheld) else robust

    def miss(self) -> str | None:
        """Return how the figures differ from the expected ones, None if they do not."""
        if self.robust is None:
            return f"{self.entry.name}: the robust accuracy is withheld"
        value = float(self.robust)
        if value < self.entry.least:
            return f"{self.entry.name}: {value:.1%} robust, expected {self.entry.least:.0%} or more"
        if value > self.entry.most:
            return f"{self.entry.name}: {value:.1%} robust, expected at most {self.entry.most:.0%}"
        return None


def run(out: Path, console: Console) -> list[Outcome]:
    """Train, evaluate and verify the three networks below `out` and write `out`/report.html.

    A second call continues a stopped one. Raises VerificationError if a figure is not the one it
    must be.
    """
    began = time.monotonic()
    console.print(
        f"[bold]Three networks on handwritten digits[/] ({THREAT.sentence()}); this takes "
        "under three minutes on two cores.",
        highlight=False,
    )
    with (
        locked(out, "the demo"),
        threads(1),
    ):  # networks this small gain nothing from more, and others may need the cores
        outcomes = [_outcome(entry, out, console) for entry in ENTRIES]
    report = api.report([outcome.claim for outcome in outcomes], out / "report.html")
    console.print(_summary(outcomes))
    console.print(
        "Noise of the same size does not help: the worst direction is no random one.\n"
        f"{outcomes[-1].claim}\n\n"
        f"Report: {report}\n"
        f"Check a claim yourself: holdfast verify {shell_path(out / 'claims' / 'adversarial')}\n"
        f"Done in {time.monotonic() - began:.0f} s.",
        highlight=False,
        markup=False,
        soft_wrap=True,  # a command that is broken could not be copied
    )
    missed = [text for outcome in outcomes if (text := outcome.miss())]
    if missed:
        raise VerificationError(f"the demo misses its figures: {'; '.join(missed)}")
    return outcomes


def _outcome(entry: Entry, out: Path, console: Console) -> Outcome:
    began = time.monotonic()
    model = _trained(entry, out / "runs" / entry.name, console)
    folder = out / "claims" / entry.name
    with _showing(f"{entry.name}: evaluating", console):
        claim = api.evaluate(model, "digits", threat=THREAT, out=folder, seed=0, quiet=True)
    with _showing(f"{entry.name}: verifying", console):
        proven = api.verify(folder, model=model, data="digits", replay=0, quiet=True)
    seconds = time.monotonic() - began
    console.print(f"  {entry.name}: trained, evaluated and verified in {seconds:.0f} s")
    return Outcome(entry, claim, proven, seconds)


def _trained(entry: Entry, folder: Path, console: Console) -> Model:
    with _showing(f"{entry.name}: training for {entry.epochs} epochs", console):
        api.train(
            NETWORK,
            "digits",
            threat=THREAT,
            method=entry.method,
            plan=PLAN,
            epochs=entry.epochs,
            out=folder,
            seed=0,
            resume=True,
            device="cpu",
            quiet=True,
        )
    return api.load(folder)


def _showing(label: str, console: Console) -> AbstractContextManager[Callable[[int], None]]:
    """Show on standard error that a part goes on, whose own lines would be too many."""
    return counting(label, None, "", quiet=console.quiet, after=0.0)


def _summary(outcomes: list[Outcome]) -> Table:
    table = Table(
        title="Accuracy on the test digits",
        caption="not broken: an upper bound on robust accuracy, with its 95 % interval\n"
        "re-checked: counterexamples that were verified",
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("training", no_wrap=True)
    table.add_column("clean", no_wrap=True)
    table.add_column("not broken", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=BAR)
    table.add_column("re-checked", justify="right", no_wrap=True)
    for outcome in outcomes:
        robust = outcome.robust
        share = 0.0 if robust is None else float(robust)
        table.add_row(
            outcome.entry.name,
            str(outcome.claim.clean_accuracy),
            "withheld" if robust is None else str(robust),
            Text("█" * round(BAR * share), style="green" if share > 0.5 else "red"),
            str(outcome.proven.counterexamples),
        )
    return table
