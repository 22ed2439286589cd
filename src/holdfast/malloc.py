"""Memory that a pass has used stays with the process for the next one."""

from __future__ import annotations

import ctypes
import os
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of glibc's <malloc.h>
_ALL = 2**31 - 1  # bytes; the settings are C ints
_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def hold_memory() -> bool:
    """Let glibc hand nothing back to the system; return whether it listens.

    As it comes, it maps every tensor of a pass anew and returns it at once, and on the CPU a fifth
    of a small network's pass goes into clearing pages. For a process of our own, the command line;
    a library must not decide that for its user. Settings of the user's environment stay.
    """
    libc: Any = ctypes.CDLL(None) if os.name == "posix" else None
    if not hasattr(libc, "mallopt") or any(name in os.environ for name in _OWN):
        return False
    settings = {_MMAP_THRESHOLD: 1 << 30, _TRIM_THRESHOLD: _ALL, _TOP_PAD: 1 << 26}
    return all(libc.mallopt(name, value) == 1 for name, value in settings.items())
