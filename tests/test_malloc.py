"""The command line keeps its memory; a user's own settings stand."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from holdfast.malloc import hold_memory
{call}
big = lambda: torch.ones(20_000_000)  # 80 MB, which malloc maps and unmaps unless told otherwise
for _ in range(20):
    big()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    big()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(call: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(call=call)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_memory_is_not_cleared_again_for_every_tensor():
    assert faults("assert hold_memory()") < faults("pass") / 10


def test_the_users_own_settings_stand(monkeypatch):
    from holdfast.malloc import hold_memory

    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    assert not hold_memory()
