"""Files that are whole or absent: every write is a temporary, an fsync and a rename."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.errors import StorageError

TEMPORARY = ".tmp-"  # prefix of files that a kill may leave behind; readers ignore them

_FIXES = {
    errno.ENOSPC: "the disk is full: free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another folder",
    errno.EACCES: "no permission to write there: choose another folder",
    errno.EPERM: "no permission to write there: choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another folder",
    errno.EEXIST: "a file of that name is in the way: choose another folder",
}


@contextmanager
def guarded(path: Path, action: str = "write") -> Iterator[None]:
    """Turn the operating system's errors into one StorageError that names the path and the fix."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        fix = _FIXES.get(error.errno or 0, error.strerror or str(error))
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
    write_atomic(path, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON; StorageError names a file that is missing or not whole."""
    with guarded(path, "read"):
        text = path.read_bytes()
    try:
        return json.loads(text)
    except ValueError as error:
        raise StorageError(f"{path} is not valid JSON ({error}): truncated or altered") from None
