"""A folder's lock: one process, or one group of processes, works in it at a time.

The operating system holds the lock and drops it when its process ends, however that happens, so a
`.lock` that a kill left behind is in nobody's way. The file names its holder.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from holdfast.errors import HoldfastWarning, StorageError, outside
from holdfast.storage import guarded, make_folder

LOCK = ".lock"
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_handles: set[int] = set()  # open lock files of this process

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 2**30, os.SEEK_SET)  # Windows forbids reading locked bytes
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(folder: Path, work: str) -> Iterator[None]:
    """Keep every other process out of `folder`, which is made if need be, inside the block.

    work: the job there, for the message that others get. Raises StorageError, before anything
    else is written, where the folder is in use or cannot be written to. Where the file system knows
    no locks a warning says so.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    path = make_folder(folder) / LOCK
    with guarded(path):
        handle = _acquire(path)
    owner = os.getpid()
    _handles.add(handle)
    try:
        with guarded(path):
            _sign(handle, work)
        yield
    finally:
        if os.getpid() == owner:  # a forked child has no part in it
            _handles.discard(handle)
            with suppress(OSError):  # Windows removes no open file; the next one takes it over
                path.unlink()
            os.close(handle)
            with suppress(OSError):  # of work that was refused nothing stays, not even a folder
                for place in made:
                    place.rmdir()


def _acquire(path: Path) -> int:
    """Return the open, locked file; StorageError where somebody else holds it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
        except OSError as error:
            os.close(handle)
            if error.errno in _BUSY:
                raise StorageError(
                    f"{path.parent} is in use by {_holder(path)}: wait for it to end, or choose "
                    "another folder"
                ) from None
            if error.errno not in _UNSUPPORTED:
                raise
            warnings.warn(
                f"the file system of {path.parent} knows no locks: see to it that no second "
                "process works there",
                HoldfastWarning,
                stacklevel=outside(),
            )
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if _same_file(handle, path):
            return handle
        os.close(handle)  # whoever held it removed the file between our two calls


def _same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int, work: str) -> None:
    """Write the holder into the lock file."""
    who = {
        "work": work,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, json.dumps(who).encode())


def _holder(path: Path) -> str:
    """Return the holder of a lock, as its file names it."""
    try:
        who = json.loads(path.read_bytes()[:4096])
        return f"{who['work']}, process {who['pid']} on {who['host']} since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _let_go() -> None:
    """Close the copies that a forked child has: it would hold the lock after its parent's end."""
    for handle in _handles:
        with suppress(OSError):
            os.close(handle)
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
