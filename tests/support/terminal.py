"""A terminal that is none, and a clock that stands."""

from __future__ import annotations

import io
import sys
from typing import Self


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """Takes the place of standard error inside the block."""

    def __init__(self, monkeypatch) -> None:
        super().__init__()
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "120")

    def isatty(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self._before, sys.stderr = sys.stderr, self
        return self

    def __exit__(self, *_) -> None:
        sys.stderr = self._before
