"""Files that are whole or absent: every write is a temporary, an fsync and a rename.

Reading takes ordinary files alone, up to a stated size, and JSON up to a stated depth: a path or a
file may come from someone else.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from holdfast.components import digest
from holdfast.errors import InputError, StorageError

TEMPORARY = ".tmp-"  # prefix of files that a kill may leave behind; readers ignore them
LARGEST = 2**36  # bytes of a file: beyond the weights and states of any network that fits here
LARGEST_JSON = 2**28  # bytes of a JSON file
DEEPEST = 64  # levels of objects and lists in one; components nest about ten

_BINARY = getattr(os, "O_BINARY", 0)  # Windows alone

_FIXES = {
    errno.ENOSPC: "the disk is full: free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another folder",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another folder",
    errno.EEXIST: "a file of that name is in the way: choose another folder",
}
_WHY_UNREADABLE = {
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ENXIO: "it is no ordinary file",  # a socket
}


def user_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Return a path that a user wrote, `~` and `~user` expanded; variables are the shell's.

    name: of the argument, for messages. Raises InputError, before any work, for a name that no file
    can be called, and for a name that is no text: it could not be written into a claim in the end.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{name} must be a path, got {type(path).__name__}")
    text = os.fsdecode(path)
    if not text:
        raise InputError(f"{name} must name a file or a folder, got {text!r}")
    if "\0" in text:
        raise InputError(f"{name} must be a path without a zero byte, got {text!r}")
    check_text(text, name)
    try:
        found = Path(text).expanduser()
        found.stat()
    except RuntimeError:
        raise InputError(f"{name} {text!r}: no such user here; write the folder in full") from None
    except (FileNotFoundError, NotADirectoryError):
        return found  # a reader names the missing file, a writer makes it
    except OSError as error:
        raise InputError(f"{name} {text!r} cannot be used: {error.strerror}") from error
    return found


def shell_path(path: str | os.PathLike[str]) -> str:
    """Return a path as a shell takes it, also one that looks like an option."""
    text = os.fspath(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def check_text(text: str, name: str) -> None:
    """Raise InputError for text with bytes that are no UTF-8, as a file's name may hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name} {text!r} holds bytes that are no UTF-8: rename it") from None


@contextmanager
def guarded(path: Path, action: str = "write") -> Iterator[None]:
    """Turn the operating system's errors into one StorageError that names the path and the fix."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        known = _WHY_UNREADABLE if action == "read" else _FIXES
        fix = known.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(f"cannot {action} {path}: {fix}") from error


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; StorageError if that cannot be done."""
    with guarded(path, "create"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that a kill at any moment leaves the old file or the new one, whole."""
    make_folder(path.parent)
    temporary = path.parent / f"{TEMPORARY}{os.getpid()}-{path.name}"
    with guarded(path):
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames inside a folder survive a power cut, where the system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(path, os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, data: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    try:
        text = (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError as error:
        excerpt = error.object[max(error.start - 20, 0) : error.end]
        raise StorageError(f"cannot write {path}: {excerpt!r} is no text in UTF-8") from None
    write_atomic(path, text)


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write plain data as JSON with its own digest, atomically."""
    write_json(path, {**card, "digest": digest(dict(card))})


def read_card(path: Path, schema: str) -> dict[str, Any]:
    """Read plain data written by `write_card`; StorageError if altered or of another schema."""
    card = read_json(path)
    if not isinstance(card, dict) or card.get("schema") != schema:
        raise StorageError(f"{path} is not a {schema} file: choose a folder that Holdfast wrote")
    stored = card.pop("digest", None)
    if digest(card) != stored:
        raise StorageError(f"{path} is truncated or altered: its digest is not the stored one")
    return card


def read_file(path: Path, limit: int = LARGEST) -> bytes:
    """Read an ordinary file of at most `limit` bytes; StorageError for anything else.

    A link to such a file is one. A pipe, a socket or a device is refused without waiting for it.
    """
    with open_file(path, limit) as file:
        # No more than was there when it was opened: a pipe or device never ends.
        return file.read(os.fstat(file.fileno()).st_size)


@contextmanager
def open_file(path: Path, limit: int = LARGEST) -> Iterator[BufferedReader]:
    """Open an ordinary file of at most `limit` bytes for reading; StorageError otherwise."""
    with guarded(path, "read"):
        try:
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
        except ValueError:  # a null byte in the path
            raise StorageError(f"cannot read {path}: no file can have this name") from None
        try:
            _refuse_special(path, os.fstat(handle), limit)
        except StorageError:
            os.close(handle)
            raise
        with open(handle, "rb") as file:
            yield file


def _refuse_special(path: Path, found: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no ordinary file"
        raise StorageError(f"cannot read {path}: it is {kind}")
    if found.st_size > limit:
        size = found.st_size
        raise StorageError(f"cannot read {path}: of its {size:,} bytes at most {limit:,} are read")


def read_json(path: Path, limit: int = LARGEST_JSON) -> Any:
    """Read JSON; StorageError names a file that is missing, not whole, or not plain JSON."""
    data = read_file(path, limit)
    try:
        return parse_json(data)
    except ValueError as error:
        raise StorageError(f"{path} is not valid JSON ({error}): truncated or altered") from None


def parse_json(data: bytes | str) -> Any:
    """Return the value of a JSON text; ValueError unless it is one that can be worked with.

    That is: every key of an object once, and nothing nested more than DEEPEST levels.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    level = [value]
    for _ in range(DEEPEST):
        level = [item for part in level for item in _items(part)]
        if not level:
            return value
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:100]!r} comes twice")
        found[key] = value
    return found


def _items(part: Any) -> Iterable[Any]:
    if isinstance(part, dict):
        return part.values()
    return part if isinstance(part, list) else ()
