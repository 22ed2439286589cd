"""Where a model came from: the training run that a claim quotes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The training run behind a model, as it goes into a claim.

    run: the run folder as the user wrote it. method, threat: plain data. metrics: the bytes of its
    metrics.jsonl. best_epoch, last_epoch: epochs counted from 1.
    """

    run: str
    method: Mapping[str, Any]
    threat: Mapping[str, Any]
    metrics: bytes
    best_epoch: int
    last_epoch: int

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
