"""Claims: the outcome of an evaluation, in a form that anyone can check.

A claim is a folder. `claim.json` holds the findings, the sha256 of every other file and a digest of
itself; the counterexamples lie next to it. It is written last, so a folder with a `claim.json` is
a finished claim, and one changed byte in any file that it names fails loudly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.arguments import checked
from holdfast.claims import wording
from holdfast.claims.contents import (
    DOCUMENT,
    SIGNATURE,
    TABLE,
    check_files,
    check_statements,
    stale,
)
from holdfast.claims.digest import file_digest
from holdfast.claims.headline import ceiling, headline
from holdfast.claims.intervals import Accuracy, Withheld
from holdfast.claims.schema import (
    LARGEST_DOCUMENT,
    LARGEST_TENSORS,
    LARGEST_TEXT,
    SCHEMA,
    check_document,
    largest_batch,
)
from holdfast.claims.shapes import in_short
from holdfast.claims.table import Table
from holdfast.claims.text import readable_bytes
from holdfast.components import digest
from holdfast.errors import StorageError, VerificationError
from holdfast.folders import held_in, what_lies
from holdfast.printable import printable
from holdfast.storage import (
    guarded,
    make_folder,
    parse_json,
    read_file,
    sync_folder,
    user_path,
    write_atomic,
)


@dataclass(frozen=True)
class TotalCost:
    """Cost of the whole evaluation: passes and queries over all examples, wall-clock seconds."""

    forward: int
    backward: int
    queries: int
    seconds: float


@dataclass(frozen=True, repr=False)
class Claim:
    """A finished claim in its folder; `str()` is the sentence that states it."""

    document: Mapping[str, Any]  # the JSON of claim.json; treat as read-only
    folder: Path
    per_example: Table = field(compare=False)

    @property
    def clean_accuracy(self) -> Accuracy:
        """The fraction of points that the model gets right without an attack."""
        return Accuracy.of(self.document["clean_accuracy"])

    @property
    def robust_accuracy(self) -> Accuracy | Withheld:
        """The fraction that no attack broke: an upper bound; `Withheld` says why there is none."""
        return read_accuracy(self.document["robust_accuracy"])

    @property
    def at_most(self) -> Accuracy:
        """The fraction of points not shown to break, defined even if robust accuracy is withheld.

        It bounds robust accuracy on these points from above, failed attacks included.
        """
        return ceiling(self.document["counts"])

    @property
    def cost(self) -> TotalCost:
        """Passes, queries and seconds of the whole evaluation."""
        cost = self.document["cost"]
        return TotalCost(cost["forward"], cost["backward"], cost["queries"], cost["seconds"])

    @property
    def threat(self) -> Mapping[str, Any]:
        """The threat model as plain data."""
        return dict(self.document["threat"])

    @property
    def checks(self) -> list[Mapping[str, Any]]:
        """The diagnostics: id, status, message and remedy of each."""
        return list(self.document["checks"])

    @property
    def curve(self) -> list[Mapping[str, Any]]:
        """Robust accuracy over eps, ascending; empty when there was one eps."""
        return list(self.document["curve"])

    @property
    def waterfall(self) -> list[Mapping[str, Any]]:
        """Points that entered and points that broke at each stage, the clean pass first."""
        return list(self.document["waterfall"])

    def __str__(self) -> str:
        return wording.sentence(self.document)

    def __repr__(self) -> str:
        return f"<Claim {printable(str(self.folder))}: {self}>"

    @classmethod
    def load(cls, path: Path | str) -> Claim:
        """Read a claim folder (or its claim.json) and check every file that it names.

        Raises StorageError if there is no finished claim, VerificationError (naming the file) if a
        byte changed or the figures contradict one another. The model and the data are not needed;
        that they fit the claim is what `verify` checks.
        """
        folder = user_path(path, "claim")
        folder = folder.parent if folder.name == DOCUMENT else folder
        document = _read_document(folder / DOCUMENT)
        check_files(document, folder)
        for name, expected in document["files"].items():
            _check_file(folder, name, expected)
        table = Table.from_csv(read_file(folder / TABLE, LARGEST_TEXT), str(folder / TABLE))
        check_statements(document, table, folder)
        _check_figures(document, table, folder)
        return cls(document=document, folder=folder, per_example=table)

    def save(self, path: Path | str) -> Claim:
        """Copy the claim into another folder, claim.json last; return the claim that lies there.

        Its signature goes with it.
        """
        names = self.document["files"]
        contents = {name: read_file(self.folder / name, _limit(name)) for name in names}
        copy, signature = write_claim(path, self.document, contents), self.folder / SIGNATURE
        if signature.is_file() and not copy.folder.samefile(self.folder):
            write_atomic(copy.folder / SIGNATURE, read_file(signature, LARGEST_TEXT))
        return copy


@checked
def write_claim(
    folder: Path | str, document: Mapping[str, Any], contents: Mapping[str, bytes]
) -> Claim:
    """Write a claim folder and return the claim; `files` and `digest` are filled in here.

    document: the JSON of the claim. contents: file name -> bytes, `per_example.csv` among them. A
    claim that lies there already is withdrawn first, so that a kill leaves an unfinished folder
    rather than a claim whose files are another's. Raises StorageError if writing fails.
    """
    folder = make_folder(user_path(folder, "out"))
    _withdraw(folder, keep=set(contents))
    for name, data in contents.items():
        write_atomic(folder / name, data)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    rest = {key: value for key, value in document.items() if key != "digest"}
    rest = json.loads(readable_bytes({**rest, "schema": SCHEMA, "files": hashes}))
    write_atomic(folder / DOCUMENT, readable_bytes({**rest, "digest": digest(rest)}))
    return Claim.load(folder)


@checked
def read_accuracy(plain: Mapping[str, Any]) -> Accuracy | Withheld:
    """Read an accuracy of claim.json, which may be withheld."""
    return Withheld(plain["withheld"]) if "withheld" in plain else Accuracy.of(plain)


def _withdraw(folder: Path, keep: set[str]) -> None:
    for path in [folder / DOCUMENT, folder / SIGNATURE, *stale(folder, keep)]:
        with guarded(path, "remove"):
            path.unlink(missing_ok=True)
            sync_folder(folder)


def _no_claim(folder: Path) -> str:
    """Return the text of an error about a folder without a claim: its contents, and the fix."""
    what, fix = what_lies(folder), "give the folder that an evaluation wrote"
    if "not finished" in what:
        fix = "run it again with the same folder to finish it"
    elif held_in(folder):
        fix = f"holdfast evaluate --model {folder} --out claims/a makes a claim of it"
    return f"no finished claim in {folder}: it {what}; {fix}"


def _read_document(path: Path) -> dict[str, Any]:
    with guarded(path, "read"):
        there = path.exists()
    if not there:
        raise StorageError(_no_claim(path.parent))
    data = read_file(path, LARGEST_DOCUMENT)
    try:
        document = parse_json(data)
        rest = {key: value for key, value in document.items() if key != "digest"}
        # Comparing the bytes too catches a change that JSON does not see, such as a space.
        whole = document["digest"] == digest(rest) and readable_bytes(document) == data
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        reason = f"{error}" if isinstance(error, ValueError) else "it is no claim"
        raise VerificationError(
            f"{path} is not whole: it was truncated or altered ({reason})"
        ) from None
    if not whole:
        raise VerificationError(f"{path} was altered: its contents do not match its digest")
    if document.get("schema") != SCHEMA:
        got = in_short(document.get("schema"))
        raise VerificationError(f"{path} has schema {got}, this version reads {SCHEMA!r}")
    check_document(document, str(path))
    return dict(document)


def _check_file(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if not path.exists():
        raise VerificationError(f"{path} is missing: the claim names it")
    if file_digest(path, _limit(name)) != expected:
        raise VerificationError(f"{path} was altered: its sha256 is not the one in {DOCUMENT}")


def _limit(name: str) -> int:
    """Return how many bytes a file of a claim may have."""
    return LARGEST_TENSORS if name.endswith(".safetensors") else LARGEST_TEXT


def _check_figures(document: Mapping[str, Any], table: Table, folder: Path) -> None:
    """Check that table, counts and accuracies say the same."""
    where = folder / DOCUMENT
    counts: dict[str, int] = document["counts"]
    statuses, data = table["status"], document["data"]
    n, ids = data["n"], data["ids"]
    tests: list[tuple[str, Callable[[], bool]]] = [
        ("the number of points", lambda: len(table) == n <= data["available"]),
        ("its ids, which repeat", lambda: len(set(table["id"])) == len(table)),
        ("its counts", lambda: {s: k for s, k in counts.items() if k} == _tally(statuses)),
        ("its accuracies", lambda: all(document[k] == v for k, v in headline(counts).items())),
        ("its choice of points", lambda: ids == "all" or tuple(ids) == table["id"]),
        ("its stages", lambda: all(stage["entered"] <= n for stage in document["waterfall"])),
        ("its batch size", lambda: document["batch_size"] <= largest_batch(n)),
    ]
    for what, holds in tests:
        if not holds():
            raise VerificationError(f"{where} and {TABLE} contradict each other: {what}")


def _tally(statuses: tuple[str, ...]) -> dict[str, int]:
    return {status: statuses.count(status) for status in set(statuses)}
