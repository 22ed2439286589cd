"""The run folder: what was asked for, so that a resume can refuse anything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.credentials import masked_command
from holdfast.data import Examples, Stream
from holdfast.errors import ConfigError, InputError, StorageError
from holdfast.plain import canonical
from holdfast.storage import make_folder, read_json, write_atomic, write_json
from holdfast.training.state import environment_of, newest
from holdfast.training.tensors import write_tensors

SCHEMA = "holdfast-run-1"
CONTENTS = "contents.safetensors"
"""A hash of every example that the run sees, which an evaluation compares with its own."""

SETTINGS = ("network", "model", "data", "threat", "method", "plan", "seed")
"""What must be the same when a run goes on."""

EXACT = ("torch", "device", "processes")
"""What of the environment must be the same for bit-equal results; threads are restored."""


def open_run(
    out: Path, settings: Mapping[str, Any], environment: Mapping[str, Any], *, resume: bool
) -> int | None:
    """Return the thread count of the run to go on with, None where a new one begins.

    Raises InputError if a run is there and resume is not asked for, ConfigError if its settings
    differ, StorageError if it cannot go on exactly here. Writes nothing.
    """
    path = out / "run.json"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.glob("checkpoints/epoch-*"))):
            raise StorageError(f"{out} is in the way and holds no run.json: choose another folder")
        return None
    if not resume:
        raise InputError(
            f"{out} holds a run already: resume=True (--resume) continues it, or choose another "
            "folder"
        )
    stored = read_run(out)
    for key in SETTINGS:
        if canonical(stored[key]) != canonical(settings[key]):
            raise ConfigError(
                f"{out} was begun with another {_difference(key, stored[key], settings[key])}: "
                "resume with the same settings, or choose another folder"
            )
    checkpoint = newest(out / "checkpoints")
    before = stored["environment"] if checkpoint is None else environment_of(checkpoint)
    for key in EXACT:
        if before[key] != environment[key]:
            raise StorageError(
                f"{out} was written with {key} {before[key]}, here it is {environment[key]}: "
                "a resume would not be exact; restore that, or choose another folder"
            )
    return int(before["threads"])


def write_run(
    out: Path,
    settings: Mapping[str, Any],
    environment: Mapping[str, Any],
    *,
    sentence: str,
    command: str | None,
    parts: Mapping[str, Examples | Stream],
) -> None:
    """Write run.json, splits.json with the ids of every part, and what hashes their contents."""
    make_folder(out)
    kept = {name: part for name, part in parts.items() if isinstance(part, Examples)}
    ids = {name: part.ids.tolist() for name, part in kept.items()}
    write_atomic(out / "splits.json", (json.dumps(ids, separators=(",", ":")) + "\n").encode())
    seen = {name: part.contents for name, part in kept.items() if name != "test"}
    write_tensors(out / CONTENTS, seen)
    write_json(
        out / "run.json",
        {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": None if command is None else masked_command(command),
            **settings,
            "threat_sentence": sentence,
            "environment": dict(environment),
        },
    )


def read_run(out: Path) -> dict[str, Any]:
    """Return run.json; InputError if the folder holds no run."""
    if not (out / "run.json").exists():
        raise InputError(f"{out} holds no training run: pass the folder that train(out=...) wrote")
    run = read_json(out / "run.json")
    if not isinstance(run, dict) or run.get("schema") != SCHEMA:
        raise StorageError(f"{out / 'run.json'} is not a {SCHEMA} file: truncated or altered")
    return run


def _difference(name: str, stored: Any, asked: Any) -> str:
    """Name the first setting that differs, with both values."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in sorted({*stored, *asked}):
            if canonical(stored.get(key)) != canonical(asked.get(key)):
                return _difference(f"{name}.{key}", stored.get(key), asked.get(key))
    return f"{name} ({_short(stored)}, now {_short(asked)})"


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 60 else text[:57] + "..."
