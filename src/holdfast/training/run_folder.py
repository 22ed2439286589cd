"""The run folder: what was asked for, so that a resume can refuse anything else.

Every file in it is vouched for by a sha256: run.json and each model.json hold their own, run.json
those of splits.json and contents.safetensors, model.json those of its weights and of metrics.jsonl.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.components import canonical
from holdfast.credentials import masked_command
from holdfast.data import Examples, Stream
from holdfast.errors import ConfigError, InputError, StorageError
from holdfast.folders import what_lies
from holdfast.printable import shortened
from holdfast.storage import parse_json, read_card, read_file, write_atomic, write_card
from holdfast.training.model_files import card_of
from holdfast.training.safetensors_io import write_tensors
from holdfast.training.state import Record, environment_of, newest

SCHEMA = "holdfast-run-2"
CONTENTS = "contents.safetensors"
"""A hash of every example that the run sees, which an evaluation compares with its own."""

SETTINGS = ("network", "model", "data", "threat", "method", "plan", "seed")
"""Facts that must be the same when a run is resumed."""

SPLITS, METRICS = "splits.json", "metrics.jsonl"

EXACT = ("torch", "device", "processes")
"""Facts of the environment that bit-equal results need; threads are restored."""


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
    for name in (SPLITS, CONTENTS):
        read_vouched(out, stored, name)
    if (out / METRICS).exists():  # else it is written anew
        read_metrics(out)
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
    """Write the ids of every part, a hash of each example, and run.json, which vouches for both."""
    kept = {name: part for name, part in parts.items() if isinstance(part, Examples)}
    ids = {name: part.ids.tolist() for name, part in kept.items()}
    splits = (json.dumps(ids, separators=(",", ":")) + "\n").encode()
    write_atomic(out / SPLITS, splits)
    seen = {name: part.contents for name, part in kept.items() if name != "test"}
    contents = write_tensors(out / CONTENTS, seen)
    write_card(
        out / "run.json",
        {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": None if command is None else masked_command(command),
            **settings,
            "given": {"data": _given(kept)},
            "threat_sentence": sentence,
            "environment": dict(environment),
            "sha256": {SPLITS: hashlib.sha256(splits).hexdigest(), CONTENTS: contents},
        },
    )


def _given(parts: Mapping[str, Examples]) -> str | None:
    """Return the name or path that finds the set again, None where no words do."""
    return next((part.given for part in parts.values() if part.given is not None), None)


def read_run(out: Path) -> dict[str, Any]:
    """Return run.json; InputError if the folder holds no run, StorageError if it was altered."""
    if not (out / "run.json").exists():
        raise InputError(
            f"{out} holds no training run: it {what_lies(out)}; give the folder that training wrote"
        )
    return read_card(out / "run.json", SCHEMA)


def read_vouched(out: Path, run: Mapping[str, Any], name: str) -> bytes:
    """Return a file of the folder; StorageError unless `run`, its run.json, vouches for it."""
    data = read_file(out / name)
    if hashlib.sha256(data).hexdigest() != run["sha256"].get(name):
        raise StorageError(
            f"{out / name} is truncated or altered: its sha256 is not the one in run.json; "
            "restore it"
        )
    return data


def read_splits(out: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ids of every part, nothing for any other file; StorageError as above."""
    try:
        ids = parse_json(read_vouched(out, run, SPLITS))
    except ValueError:
        return {}
    return ids if isinstance(ids, dict) else {}


def write_metrics(out: Path, history: Sequence[Record]) -> None:
    """Write metrics.jsonl anew from the history that the checkpoint holds: never a double line."""
    write_atomic(out / METRICS, b"".join(_lines(history)))


def metrics_facts(history: Sequence[Record]) -> dict[str, str]:
    """Return the sha256s of metrics.jsonl on a model's card: now, and an epoch before."""
    lines = _lines(history)
    return {"sha256": _sha256(lines), "before": _sha256(lines[:-1])}


def read_metrics(out: Path) -> bytes:
    """Return metrics.jsonl as the run wrote it, whole lines alone; StorageError if it was altered.

    The last model's card vouches for it. A kill may have come between the two, so the last epoch
    may be missing, or a part of its line.
    """
    path, lines = out / METRICS, list[bytes]()
    if path.exists():
        lines = [line for line in read_file(path).splitlines(keepends=True) if line[-1:] == b"\n"]
    card = out / "last" / "model.json"
    known = card_of(card.parent)["metrics"].values() if card.exists() else [_sha256([])]
    if _sha256(lines) not in known:
        raise StorageError(
            f"{path} is truncated or altered: it is not as the run wrote it; delete it, and a "
            "resume writes it anew from the checkpoint"
        )
    return b"".join(lines)


def _lines(history: Sequence[Record]) -> list[bytes]:
    return [(json.dumps(record) + "\n").encode() for record in history]


def _sha256(lines: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _difference(name: str, stored: Any, asked: Any) -> str:
    """Name the first setting that differs, with both values."""
    if isinstance(stored, dict) and isinstance(asked, dict):
        for key in sorted({*stored, *asked}):
            if canonical(stored.get(key)) != canonical(asked.get(key)):
                return _difference(f"{name}.{key}", stored.get(key), asked.get(key))
    return f"{name} ({shortened(canonical(stored))}, now {shortened(canonical(asked))})"
