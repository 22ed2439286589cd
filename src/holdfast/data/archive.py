"""Arrays of an .npz file, read only after its headers say that they fit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from holdfast.errors import InputError
from holdfast.storage import open_file

Arrays = dict[str, np.ndarray[Any, Any]]

SWELLING = 250  # times its packed size: photographs pack to a half, plain shapes to a hundredth
MODEST = 2**26  # bytes that any array may unpack to

_SUFFIX = ".npy"
_ANY = 2**63 - 1  # bytes
_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")  # of the container, where there is one
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_arrays(path: Path, wanted: tuple[str, ...]) -> tuple[Arrays, list[str]]:
    """Return those arrays of a file that are `wanted`, and the names of all.

    Nothing is unpacked before the headers are read: InputError if the arrays wanted need more
    memory than is available, if an array unpacks to more than MODEST bytes and SWELLING times its
    packed size, or if a file is damaged or holds objects.
    """
    if not path.is_file():
        raise InputError(f"no file at {path}: check the path")
    try:
        with open_file(path, limit=_ANY) as file, ZipFile(file) as archive:
            members = {info.filename.removesuffix(_SUFFIX): info for info in archive.infolist()}
            chosen = {name: members[name] for name in wanted if name in members}
            _check_sizes(path, chosen, path.stat().st_size)
            found = {name: _read(archive, name, info) for name, info in chosen.items()}
            return found, sorted(members)
    except InputError:
        raise
    except Exception as error:
        broken = "is truncated, or no .npz of plain arrays"
        if path.suffix != ".npz":
            broken = "is no data that is read: give an .npz of plain arrays or a folder of images"
        raise InputError(f"cannot read {path} ({error}): it {broken}") from error


def _check_sizes(path: Path, members: dict[str, ZipInfo], whole: int) -> None:
    for name, info in members.items():
        packed, size = min(info.compress_size, whole), info.file_size
        if size > max(MODEST, SWELLING * packed):
            raise InputError(
                f"{name} of {path} unpacks from {packed:,} to {size:,} bytes: if that is right, "
                "save it unpacked (numpy.savez)"
            )
    needed, available = sum(info.file_size for info in members.values()), available_memory()
    if needed > available:
        raise InputError(
            f"{path} holds {needed:,} bytes, and {available:,} bytes of memory are available: "
            "pass a folder of images or a torch Dataset that reads from the disk"
        )


def _read(archive: ZipFile, name: str, info: ZipInfo) -> np.ndarray[Any, Any]:
    """Return one array, whose header must say the size that the archive says."""
    with archive.open(info) as file:
        shape, dtype = _header(file)
        start, size = file.tell(), math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if start + size != info.file_size:
        raise ValueError(
            f"the header of {name} is for {size:,} bytes, {info.file_size:,} are there"
        )
    with archive.open(info) as file:
        array: np.ndarray[Any, Any] = npy.read_array(file, allow_pickle=False)
        return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its arrays are of the version {version} of the .npy format")
    shape, _, dtype = _HEADERS[version](file)
    return shape, dtype


def available_memory() -> int:
    """Return how many bytes of memory are left to the machine and to the container, if known."""
    left = []
    try:
        lines = _MEMORY.read_text("ascii").splitlines()
        left += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        pass
    try:
        limit, used = (
            (_GROUP / f"memory.{name}").read_text("ascii") for name in ("max", "current")
        )
        left.append(int(limit) - int(used))
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    return min(left, default=_ANY)
