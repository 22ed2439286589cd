"""The ledger: all of the evaluation state, as a folder of segments that never change.

One segment is the outcome of one suite member at one radius on one chunk of examples. Its evidence
(the counterexamples) is written first, under a name that is its own digest; the rows follow, under
a name that is the digest of the key. So a kill leaves whole segments or none, resuming means asking
`has`, and merging the ledgers of several machines is the union of their files.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from holdfast.claims.text import compact_bytes
from holdfast.components import digest
from holdfast.errors import StorageError
from holdfast.storage import (
    TEMPORARY,
    guarded,
    make_folder,
    parse_json,
    read_file,
    write_atomic,
)

SCHEMA = "holdfast-segment-1"
STALE = 600.0  # seconds after which a temporary cannot belong to a write that is still running
_PARTS = {"key", "rows", "evidence", "notes"}
_NAME = re.compile(r"[0-9a-f]{64}\.(json|safetensors)")


@dataclass(frozen=True)
class Segment:
    """The outcome of one suite member on one chunk.

    rows: one JSON object per example, finite numbers only. evidence: tensors by name, such as
    `ids` and `x_adv` of the broken examples; may be empty. notes: anything else (seconds, passes).
    """

    rows: tuple[Mapping[str, Any], ...]
    evidence: Mapping[str, Tensor] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Ledger:
    """A folder of segments, addressed by keys that are plain JSON objects.

    A key must hold all that the segment depends on: digests of model, threat, data and attack,
    radius, ids, seed, batch shape, threads, device and versions.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = make_folder(Path(folder))
        self.clean(older_than=STALE)

    def has(self, key: Mapping[str, Any]) -> bool:
        """Return True if the segment of `key` is there; only `read` checks that it is whole."""
        return self._rows_file(key).exists()

    def read(self, key: Mapping[str, Any]) -> Segment:
        """Return the segment of `key`, verified; StorageError if missing, truncated or altered."""
        path = self._rows_file(key)
        document = _read_rows(path)
        if digest(document["key"]) != digest(dict(key)):
            raise _damaged(path, "it belongs to another key")
        evidence = self._read_evidence(path, document["evidence"])
        return Segment(rows=tuple(document["rows"]), evidence=evidence, notes=document["notes"])

    def write(self, key: Mapping[str, Any], segment: Segment) -> None:
        """Store a segment: evidence first, then rows, each whole or absent."""
        name = None
        if segment.evidence:
            data = save({k: t.detach().cpu().contiguous() for k, t in segment.evidence.items()})
            name = hashlib.sha256(data).hexdigest()
            write_atomic(self.folder / f"{name}.safetensors", data)
        document = {
            "schema": SCHEMA,
            "key": dict(key),
            "evidence": name,
            "rows": [dict(row) for row in segment.rows],
            "notes": dict(segment.notes),
        }
        document["digest"] = digest(document)
        write_atomic(self._rows_file(key), compact_bytes(document))

    def keys(self) -> list[dict[str, Any]]:
        """Return the key of every segment, in a fixed order; StorageError names a damaged one."""
        return [_read_rows(path)["key"] for path in self._files(".json")]

    def merge(self, other: Ledger) -> None:
        """Add the segments of `other`; those that are here already stay as they are."""
        for suffix in (".safetensors", ".json"):  # evidence first, as in `write`
            for source in other._files(suffix):
                target = self.folder / source.name
                if not target.exists():
                    write_atomic(target, read_file(source))

    def clean(self, older_than: float = 0.0) -> None:
        """Remove temporaries that a kill left behind and that are older than so many seconds."""
        for path in self.folder.glob(f"{TEMPORARY}*"):
            with guarded(path, "remove"):
                try:
                    if time.time() - path.stat().st_mtime >= older_than:
                        path.unlink()
                except FileNotFoundError:
                    continue  # another process was quicker

    def _files(self, suffix: str) -> list[Path]:
        found = self.folder.glob(f"*{suffix}")
        return sorted(path for path in found if _NAME.fullmatch(path.name))

    def _rows_file(self, key: Mapping[str, Any]) -> Path:
        return self.folder / f"{digest(dict(key))}.json"

    def _read_evidence(self, rows: Path, name: str | None) -> dict[str, Tensor]:
        if name is None:
            return {}
        path = self.folder / f"{name}.safetensors"
        if not path.exists():
            raise _damaged(rows, f"its evidence {path.name} is missing")
        data = read_file(path)
        if hashlib.sha256(data).hexdigest() != name:
            # The rows must go too: `has` asks for them, and they point at this evidence.
            raise _damaged(path, "its contents do not have the digest that is its name", rows)
        try:
            return load(data)
        except SafetensorError as error:
            raise _damaged(path, f"not a safetensors file: {error}", rows) from None


def _read_rows(path: Path) -> dict[str, Any]:
    data = read_file(path)
    try:
        document = parse_json(data)
        stored = document.pop("digest")
        whole = stored == digest(document) and document.keys() >= _PARTS
        document_again = compact_bytes({**document, "digest": stored})
    except (ValueError, KeyError, AttributeError, TypeError):
        raise _damaged(path, "it is not whole") from None
    if not whole or document_again != data:
        raise _damaged(path, "its contents do not match its digest")
    return dict(document)


def _damaged(path: Path, why: str, *others: Path) -> StorageError:
    files = " and ".join(str(item) for item in (path, *others))
    return StorageError(
        f"{path} is truncated or altered: {why}; delete {files} and run the same command again: "
        "only that part is computed anew"
    )
