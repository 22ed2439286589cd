"""One process works in a folder at a time; a kill leaves nothing that is in the way."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys

import pytest
import torch
from rich.console import Console
from torch import nn

import holdfast as hf
from holdfast import locking
from holdfast.attacks import Ascent, fit
from holdfast.data import from_tensors
from holdfast.errors import HoldfastWarning, StorageError
from holdfast.locking import LOCK, locked
from holdfast.recipes import demo
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel
from tiny import with_source

HOLDER = """
import sys, time
from pathlib import Path
from holdfast.locking import locked
assert "torch" not in sys.modules
with locked(Path(sys.argv[1]), "a training run"):
    print("held", flush=True)
    time.sleep(600)
"""
THREAT = ThreatModel(Linf(eps=0.1))


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A folder in which another process works, and that process."""
    folder = tmp_path_factory.mktemp("busy") / "runs" / "a"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    other = subprocess.Popen(command, env=with_source(), stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    yield folder, other
    other.kill()
    other.wait()
    other.stdout.close()


def data():
    x = torch.linspace(0, 1, 16 * 36).reshape(16, 1, 6, 6)
    return from_tensors(x, torch.arange(16) % 2, num_classes=2)


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).eval()


WORK = {
    "train": lambda out: hf.train("mlp", data(), threat=THREAT, out=out, epochs=1, quiet=True),
    "resume": lambda out: hf.train(
        "mlp", data(), threat=THREAT, out=out, epochs=1, quiet=True, resume=True
    ),
    "evaluate": lambda out: hf.evaluate(
        net(), data(), threat=THREAT, suite="quick", out=out, quiet=True
    ),
    "fit": lambda out: fit(Ascent(epochs=1), net(), data(), threat=THREAT, out=out),
    "demo": lambda out: demo.run(out, Console(quiet=True)),
}


@pytest.mark.parametrize("work", WORK)
def test_a_folder_in_use_is_one_error_that_names_who_works_there(work, busy):
    folder, other = busy
    before = sorted(folder.iterdir())
    with pytest.raises(StorageError) as caught:
        WORK[work](folder)
    said = str(caught.value)
    assert f"{folder} is in use by a training run, process {other.pid} on " in said
    assert socket.gethostname() in said
    assert sorted(folder.iterdir()) == before


def test_a_second_call_in_the_same_process_is_refused_too(tmp_path):
    here = f"in use by a fit, process {os.getpid()} on"
    with (
        locked(tmp_path, "a fit"),
        pytest.raises(StorageError, match=here),
        locked(tmp_path, "a training run"),
    ):
        pass
    with locked(tmp_path, "a training run"):
        assert (tmp_path / LOCK).exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path):
    child = os.fork()
    if child == 0:
        with locked(tmp_path, "a training run"):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path, "an evaluation"):
        assert f'"pid": {os.getpid()}' in (tmp_path / LOCK).read_text()
    assert not (tmp_path / LOCK).exists()


def test_a_forked_child_neither_holds_nor_releases_the_lock(tmp_path):
    """Workers of a data loader may outlive a process that was killed."""
    read, write = os.pipe()
    with locked(tmp_path / "a", "a training run"):
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)  # until the parent says so, or is gone
            os._exit(0)
        assert (tmp_path / "a" / LOCK).exists()
    try:
        with locked(tmp_path / "a", "a training run"):
            pass
    finally:
        os.close(read)
        os.close(write)
        os.waitpid(child, 0)


def test_refused_work_leaves_no_folder_and_done_work_stays(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "a" / "b", "a fit"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "a", "a fit"):
        (tmp_path / "a" / "file").write_text("kept")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking, "_lock", refuse)
    with pytest.warns(HoldfastWarning, match="no second process"), locked(tmp_path, "a fit"):
        pass


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/sub"):
        refused = pytest.raises(StorageError, match="choose another folder")
        with refused, locked(tmp_path / place, "a fit"):
            pass
