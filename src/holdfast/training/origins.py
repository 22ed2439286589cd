"""The run behind a model, for as long as the model is what the run kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from holdfast.claims import model_digest
from holdfast.models import Model


@dataclass(frozen=True)
class Origin:
    """A run folder, as the user wrote it, and which of its models: "best" or "last"."""

    run: Path
    which: str


_origins: WeakKeyDictionary[Model, tuple[Origin, str]] = WeakKeyDictionary()


def note_origin(model: Model, run: Path, which: str) -> None:
    """Take note that `model`, as it is now, is the best or the last one of the run folder `run`."""
    _origins[model] = (Origin(run, which), model_digest(model))


def origin_of(model: Model) -> Origin | None:
    """Return the origin of a model, None if it has none or was changed since."""
    origin, digest = _origins.get(model, (None, ""))
    return origin if origin is not None and model_digest(model) == digest else None
