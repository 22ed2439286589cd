"""Where a model came from: the training run that a claim quotes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from holdfast.claims import model_digest
from holdfast.data import Examples
from holdfast.models import Finding, Model, Verdict
from holdfast.storage import read_file, read_json
from holdfast.training.folder import read_run
from holdfast.training.weights import card_of

TRAINING_DATA = "training-data"  # the id of the check

# Which run a model came from, and its digest then: one that was changed since has no history.
_origins: WeakKeyDictionary[Model, tuple[Path, str]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The training run behind a model, as it goes into a claim.

    network: the name of the reference network, None for one that the user built. run: the run
    folder as the user wrote it. method, threat: plain data. metrics: the bytes of its
    metrics.jsonl. best_epoch, last_epoch: epochs counted from 1. seen: the run's train and
    validation parts, each with `name`, `fingerprint` and `ids`.
    """

    run: str
    method: Mapping[str, Any]
    threat: Mapping[str, Any]
    metrics: bytes
    best_epoch: int
    last_epoch: int
    network: str | None = None
    seen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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

    def check(self, data: Examples) -> Finding:
        """Say whether `data` are, or hold, examples that the run trained on or validated with.

        Proven by fingerprint; where both are parts of one named set, by their ids.
        """
        for part, known in self.seen.items():
            if _holds(data, known):
                return Finding(
                    id=TRAINING_DATA,
                    status=Verdict.FAIL,
                    message=f"examples of the {part} part of the model's own run are among these",
                    remedy="evaluate on a test part, which training has not seen",
                )
        return Finding(
            id=TRAINING_DATA,
            status=Verdict.PASS,
            message="these are not known to be examples of the model's own run",
        )


def _holds(data: Examples, known: Mapping[str, Any]) -> bool:
    if data.fingerprint == known["fingerprint"]:
        return True
    ids = torch.tensor(known["ids"], dtype=torch.int64)
    inside = torch.isin(data.ids, ids)
    if data.name != known["name"] or not inside.any():
        return False
    if data.part in ("train", "validation"):
        return True
    if not torch.isin(ids, data.ids).all():
        return False
    # A part within the whole set.
    return bool(data.select(ids).fingerprint == known["fingerprint"])


def _seen(run: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the run saw; nothing of a stream, which has no ids."""
    ids = read_json(run / "splits.json")
    return {
        part: {"name": facts["name"], "fingerprint": facts["fingerprint"], "ids": ids[part]}
        for part, facts in settings["data"].items()
        if part in ids
    }


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
    metrics = read_file(run / "metrics.jsonl")
    return Provenance(
        run=str(run),
        method=settings["method"],
        threat=settings["threat"],
        metrics=metrics,
        best_epoch=card_of(run / "best")["epoch"],
        last_epoch=card_of(run / "last")["epoch"],
        network=None if network is None else network["type"],
        seen=_seen(run, settings),
    )
