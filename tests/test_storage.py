"""Files are whole or absent, and what the disk refuses is said in one line."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.errors import StorageError
from holdfast.storage import (
    TEMPORARY,
    guarded,
    make_folder,
    parse_json,
    read_file,
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
    source = str(Path(__file__).resolve().parents[1] / "src")
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


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def endless(path):
    path.symlink_to("/dev/zero")


def fifo_behind_a_link(path):
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


@pytest.mark.parametrize("make", [fifo, unix_socket, endless, fifo_behind_a_link, Path.mkdir])
def test_what_is_no_ordinary_file_is_refused_without_waiting(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path("f"))
    for read in (read_file, read_json):
        with pytest.raises(StorageError, match=r"^cannot read f: it is (no ordinary|a folder)"):
            read(Path("f"))


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**37)  # no disk space, but no memory could hold it
    with pytest.raises(StorageError, match="of its 137,438,953,472 bytes at most"):
        read_file(tmp_path / "sparse")
    (tmp_path / "link").symlink_to("small")
    (tmp_path / "small").write_bytes(b"1234")
    assert read_file(tmp_path / "link", 4) == b"1234"
    with pytest.raises(StorageError, match="of its 4 bytes at most 3"):
        read_file(tmp_path / "link", 3)
    with pytest.raises(StorageError, match="no file can have this name"):
        read_file(Path("a\0b"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (100_000 * "[" + 100_000 * "]", "nested more than 64"),
        (100_000 * '{"a":' + "1" + 100_000 * "}", "nested more than 64"),
        ('{"a": ' + 65 * "[" + 65 * "]" + "}", "nested more than 64"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' comes twice"),
        ("9" * 10_000, "digit"),
    ],
)
def test_json_that_cannot_be_worked_with_is_refused(tmp_path, text, reason):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(StorageError, match=reason) as raised:
        read_json(tmp_path / "x.json")
    assert len(str(raised.value)) < 400
    assert parse_json(63 * "[" + 63 * "]")
