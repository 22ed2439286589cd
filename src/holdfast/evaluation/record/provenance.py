"""Provenance of a model: the training run that a claim quotes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from holdfast.claims.contents import METRICS
from holdfast.data import Examples
from holdfast.models import Finding, Model
from holdfast.models.diagnostics.finding import failed, passed, warned
from holdfast.training.model_files import card_of
from holdfast.training.origins import origin_of
from holdfast.training.run_folder import CONTENTS, read_metrics, read_run, read_splits, read_vouched

TRAINING_DATA = "training-data"  # the id of the check
ALIKE = 0.01  # share of the examples that may look like training examples in an honest set


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The training run behind a model, as it goes into a claim.

    network: the name of the reference network, None for one that the user built. run: the run
    folder as the user wrote it. method, threat: plain data. metrics: the bytes of its
    metrics.jsonl. best_epoch, last_epoch: epochs counted from 1. seen: the run's train and
    validation parts, each with `name`, `fingerprint`, `ids` and the `contents` of its examples.
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
            "metrics": METRICS,
            "best_epoch": self.best_epoch,
            "last_epoch": self.last_epoch,
        }

    def files(self) -> dict[str, bytes]:
        """Return the files that the entry names."""
        return {METRICS: self.metrics}

    def check(self, data: Examples) -> Finding:
        """Compare `data` with the examples that the run trained on or validated with.

        By fingerprint, by name and part, by the ids of one named set, and by the contents of each
        example, which do not change with ids or names. A few may be alike in honest sets.
        """
        for part, known in self.seen.items():
            if _holds(data, part, known):
                return _seen_before(f"examples of the {part} part of the model's own run are among")
        hashes = [k["contents"] for k in self.seen.values() if k["contents"] is not None]
        again = int(torch.isin(data.contents, torch.cat(hashes)).sum()) if hashes else 0
        if again > ALIKE * len(data):
            return _seen_before(f"{again:,} examples that the model's own run has seen are among")
        if again:
            return warned(
                TRAINING_DATA,
                f"{again:,} of these have the contents of examples that the run has seen",
                "leave them out: the model may know them by heart",
            )
        if not self.seen or any(known["contents"] is None for known in self.seen.values()):
            return warned(
                TRAINING_DATA,
                "the model's run has no whole record of the examples that it has seen",
                "train again in a new folder, on data that are no stream, to have one",
            )
        return passed(TRAINING_DATA, "these are not known to be examples of the model's own run")


def _seen_before(verb: str) -> Finding:
    return failed(
        TRAINING_DATA, f"{verb} these", "evaluate on a test part, which training has not seen"
    )


def _holds(data: Examples, part: str, known: Mapping[str, Any]) -> bool:
    if data.fingerprint == known["fingerprint"]:
        return True
    if data.name != known["name"]:
        return False
    if data.part == part:
        return True
    ids = torch.tensor(known["ids"], dtype=torch.int64)
    if data.part in ("train", "validation"):
        return bool(torch.isin(data.ids, ids).any())
    if not len(ids) or not torch.isin(ids, data.ids).all():
        return False
    # A part within the whole set.
    return bool(data.select(ids).fingerprint == known["fingerprint"])


def _seen(run: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the run's record of the examples it has seen, part by part.

    `ids` is empty and `contents` None where the record does not fit run.json, which states how
    many there were, or never was: a stream has no ids, and older runs have no contents.
    """
    ids, hashes = _record(run, settings)
    found = {}
    for part, facts in settings["data"].items():
        if part == "test":
            continue
        here, contents = ids.get(part), hashes.get(part)
        whole = isinstance(here, list) and len(here) == facts["n"]
        same = contents is not None and contents.shape == (facts["n"],)
        found[part] = {
            "name": facts["name"],
            "fingerprint": facts["fingerprint"],
            "ids": here if whole else [],
            "contents": contents if whole and same else None,
        }
    return found


def _record(run: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the ids and the hashes of the parts, nothing where there are none."""
    hashes: dict[str, Tensor] = {}
    with suppress(SafetensorError):
        hashes = load(read_vouched(run, settings, CONTENTS))
    return read_splits(run, settings), hashes


def provenance_of(model: Model) -> Provenance | None:
    """Return the run behind a model, None if there is none or the model was changed since."""
    origin = origin_of(model)
    if origin is None or not (origin.run / "run.json").exists():
        return None
    run = origin.run
    settings = read_run(run)
    network = settings["network"]
    return Provenance(
        run=str(run),
        method=settings["method"],
        threat=settings["threat"],
        metrics=read_metrics(run),
        best_epoch=card_of(run / "best")["epoch"],
        last_epoch=card_of(run / "last")["epoch"],
        network=None if network is None else network["type"],
        seen=_seen(run, settings),
    )
