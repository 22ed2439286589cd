"""Files are whole or absent, and what the disk refuses is said in one line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.storage import (
    TEMPORARY,
    guarded,
    make_folder,
    read_json,
    write_atomic,
    write_json,
)


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(TEMPORARY)]


def test_writes_make_folders_and_leave_nothing_else(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_json_goes_there_and_back(tmp_path):
    data = {"eps": "8/255", "ä": [1, 2.5, None, True]}
    write_json(tmp_path / "x.json", data)
    assert read_json(tmp_path / "x.json") == data
    assert (tmp_path / "x.json").read_text().endswith("}\n")


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_failure_at_any_moment_leaves_the_old_file(tmp_path, monkeypatch, when):
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if when == "write":
        real = open

        def full(file, *args, **kwargs):
            handle = real(file, *args, **kwargs)
            return FullDisk(handle) if TEMPORARY in str(file) else handle

        monkeypatch.setattr("builtins.open", full)
    else:
        monkeypatch.setattr(os, when, fail)
    with pytest.raises(StorageError, match="the disk is full: free some space") as error:
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert str(path) in str(error.value)
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


class FullDisk:
    """A file that takes half of what is written and then has no room."""

    def __init__(self, handle):
        self.handle = handle

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.handle.close()

    def write(self, data):
        self.handle.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")
    program = (
        "import os, sys, pathlib\n"
        "from holdfast import storage\n"
        "os.fsync = lambda fd: os._exit(9)\n"
        "storage.write_atomic(pathlib.Path(sys.argv[1]), b'new' * 1000)\n"
    )
    source = str(Path(__file__).resolve().parents[2] / "src")
    env = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", program, str(path)], env=env, check=False)
    assert done.returncode == 9
    assert path.read_bytes() == b"old"
    assert len(leftovers(tmp_path)) == 1
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for attempt in (
        lambda: write_atomic(tmp_path / "file" / "y" / "z.bin", b"z"),
        lambda: make_folder(tmp_path / "file" / "y"),
    ):
        with pytest.raises(StorageError, match="is a file, not a folder: choose another folder"):
            attempt()
    with pytest.raises(StorageError, match="a file of that name is in the way"):
        make_folder(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00", b"{} trailing"])
def test_json_that_is_not_whole_is_said_so(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="not valid JSON") as error:
        read_json(path)
    assert "truncated or altered" in str(error.value)


def test_a_missing_file_is_said_so(tmp_path):
    with pytest.raises(StorageError, match=r"cannot read .*no\.json: No such file"):
        read_json(tmp_path / "no.json")


def test_our_own_error_is_not_wrapped_twice(tmp_path):
    with pytest.raises(StorageError, match=r"^inner$"), guarded(tmp_path):
        raise StorageError("inner")
