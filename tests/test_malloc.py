"""The command line keeps its memory; a user's own settings stand."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from holdfast.malloc import hold_memory
def faults():
    count = []
    for _ in range(26):  # 40 MB, which malloc maps and unmaps unless told otherwise
        torch.ones(10_000_000)
        count.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
    return count[-1] - count[-6]
freely = faults()
assert hold_memory()
held = faults()
assert held < freely / 10, (held, freely)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_memory_is_not_cleared_again_for_every_tensor():
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_users_own_settings_stand(monkeypatch):
    from holdfast.malloc import hold_memory

    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    assert not hold_memory()
