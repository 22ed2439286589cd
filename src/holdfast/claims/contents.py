"""The files of a claim's folder: it names those that readers use, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from holdfast.claims.schema import CERTIFIED
from holdfast.claims.table import Table
from holdfast.components import digest
from holdfast.errors import VerificationError

DOCUMENT = "claim.json"
SIGNATURE = "signature.json"  # no part of a claim, about one
TABLE = "per_example.csv"
PROBES = "probes.safetensors"
GALLERY = "gallery.safetensors"
METRICS = "training.jsonl"
_EVIDENCE = re.compile(r"evidence-\d{5}\.safetensors")
_NAMES = frozenset((TABLE, PROBES, GALLERY, METRICS))
SHOWN = ("broken", "marginal")  # the statuses that an input stands behind


def stale(folder: Path, keep: Iterable[str]) -> list[Path]:
    """Return the files in `folder` that readers of a claim would use and that are not in `keep`."""
    kept = set(keep)
    return sorted(p for p in folder.glob("*") if p.name not in kept and _is_used(p.name))


def check_files(document: Mapping[str, Any], folder: Path) -> None:
    """Raise VerificationError unless `files` names each file that readers use, and no others.

    A file that is used but not named has no digest: anybody could have put it there.
    """
    files, training = document["files"], document["training"]
    needed = {TABLE, PROBES} | ({METRICS} if training else set())
    if absent := sorted(needed - set(files)):
        raise VerificationError(f"{folder}: claim.json must name {absent[0]} with its sha256")
    if training and training.get("metrics") != METRICS:
        raise VerificationError(f"{folder}: the metrics of a training run are in {METRICS}")
    if strange := sorted(name for name in files if not _is_used(name)):
        raise VerificationError(
            f"{folder / 'claim.json'} names {strange[0]!r}, which is no file of a claim"
        )
    if unnamed := stale(folder, files):
        raise VerificationError(
            f"{unnamed[0]} is not named in claim.json, so nothing vouches for it: remove it"
        )


def check_statements(document: Mapping[str, Any], table: Table, folder: Path) -> None:
    """Raise VerificationError for a status that nothing can prove, or a suite that is no other's.

    A certificate cannot be recomputed yet, so no point may count as robust for having one. The
    digest of the suite is that of its definition, so a claim cannot borrow it.
    """
    where = folder / DOCUMENT
    if document["counts"].get(CERTIFIED) or CERTIFIED in table["status"]:
        raise VerificationError(
            f"{where} calls points certified: a certificate cannot be recomputed, so that no "
            "claim may count on one; evaluate again with this version"
        )
    if any(status in SHOWN for status in table["status"]) and not any(
        _EVIDENCE.fullmatch(name) for name in document["files"]
    ):
        raise VerificationError(f"{where} calls points broken and names no evidence")
    suite = document["suite"]
    if digest(suite["definition"]) != suite["digest"]:
        raise VerificationError(f"{where}: the digest of its suite is not that of its definition")
    if suite["definition"].get("name") != suite["name"]:
        raise VerificationError(f"{where}: its suite is defined under another name")


def _is_used(name: str) -> bool:
    return name in _NAMES or _EVIDENCE.fullmatch(name) is not None
