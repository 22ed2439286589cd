"""The training run behind a claim, read from its training.jsonl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdfast.claims import Claim
from holdfast.claims.schema import EPOCH, LARGEST_TEXT
from holdfast.errors import VerificationError
from holdfast.reporting.spelling import spell
from holdfast.storage import parse_json, read_file

MOST = 100_000  # epochs
LARGEST = 1e12  # of a loss, either way: beyond that there is nothing to see


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch; None where the run did not measure one."""

    epoch: int
    loss: float | None
    train_clean: float | None  # fractions in 0..1, on the training batches
    clean: float | None  # on the validation split
    robust: float | None  # on the validation split, under the validation attack
    event: str | None  # such as "catastrophic-overfitting"


@dataclass(frozen=True)
class History:
    """A training run: how it was trained, and its figures by epoch."""

    run: str
    method: str
    trained_within: str
    best: int  # epoch that was chosen by robust validation accuracy
    last: int
    epochs: tuple[Epoch, ...]

    def at(self, epoch: int) -> Epoch | None:
        """Return the figures of an epoch, None if it is not in the file."""
        return next((line for line in self.epochs if line.epoch == epoch), None)


def load_history(claim: Claim) -> History | None:
    """Return the training run of a claim, None if the claim knows of none."""
    training = claim.document["training"]
    if not training:
        return None
    name = training.get("metrics")
    epochs = _read(claim, name) if name in claim.document["files"] else ()
    space = (training.get("threat") or {}).get("space")
    return History(
        run=str(training.get("run", "")),
        method=spell(training.get("method")),
        trained_within=spell(space) if space else "not stated",
        best=int(training.get("best_epoch") or 0),
        last=int(training.get("last_epoch") or 0),
        epochs=epochs,
    )


def _read(claim: Claim, name: str) -> tuple[Epoch, ...]:
    path = claim.folder / name
    lines: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(read_file(path, LARGEST_TEXT).splitlines(), start=1):
        try:
            row = parse_json(line)
            EPOCH.check(row, f"line {number}")
        except (ValueError, VerificationError) as error:
            raise VerificationError(
                f"{path} is not a file of metrics, one JSON object a line: {error}"
            ) from None
        lines[row["epoch"]] = row  # a resumed run may have written one twice: the later holds
        if len(lines) > MOST:
            raise VerificationError(f"{path} has more than {MOST:,} epochs")
    return tuple(_epoch(epoch, lines[epoch]) for epoch in sorted(lines))


def _epoch(epoch: int, row: dict[str, Any]) -> Epoch:
    return Epoch(
        epoch=epoch,
        loss=_finite(row.get("train_loss")),
        train_clean=_finite(row.get("train_clean")),
        clean=_finite(row.get("clean")),
        robust=_finite(row.get("robust")),
        event=str(row["event"]) if row.get("event") else None,
    )


def _finite(value: Any) -> float | None:
    """Return a number that a chart can show, None for any other value."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and -LARGEST <= value <= LARGEST else None
