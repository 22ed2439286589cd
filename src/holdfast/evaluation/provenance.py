"""Where a model came from: the training run that a claim quotes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from holdfast.claims import model_digest
from holdfast.models import Model
from holdfast.storage import guarded
from holdfast.training.folder import read_run
from holdfast.training.weights import card_of

# Which run a model came from, and its digest then: one that was changed since has no history.
_origins: WeakKeyDictionary[Model, tuple[Path, str]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The training run behind a model, as it goes into a claim.

    network: the name of the reference network, None for one that the user built. run: the run
    folder as the user wrote it. method, threat: plain data. metrics: the bytes of its
    metrics.jsonl. best_epoch, last_epoch: epochs counted from 1.
    """

    run: str
    method: Mapping[str, Any]
    threat: Mapping[str, Any]
    metrics: bytes
    best_epoch: int
    last_epoch: int
    network: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the `training` entry of claim.json."""
        return {
            "run": self.run,
            "method": dict(self.method),
            "threat": dict(self.threat),
            "metrics": "training.jsonl",
            "best_epoch": self.best_epoch,
            "last_epoch": self.last_epoch,
        }

    def files(self) -> dict[str, bytes]:
        """Return the files that the entry names."""
        return {"training.jsonl": self.metrics}


def remember(model: Model, run: Path) -> None:
    """Take note that `model` came from the run folder `run`, as it is now."""
    _origins[model] = (run, model_digest(model))


def provenance_of(model: Model) -> Provenance | None:
    """Return the run behind a model, None if there is none or the model was changed since."""
    run, digest = _origins.get(model, (None, None))
    if run is None or model_digest(model) != digest or not (run / "run.json").exists():
        return None
    settings = read_run(run)
    network = settings["network"]
    with guarded(run / "metrics.jsonl", "read"):
        metrics = (run / "metrics.jsonl").read_bytes()
    return Provenance(
        run=str(run),
        method=settings["method"],
        threat=settings["threat"],
        metrics=metrics,
        best_epoch=card_of(run / "best")["epoch"],
        last_epoch=card_of(run / "last")["epoch"],
        network=None if network is None else network["type"],
    )
