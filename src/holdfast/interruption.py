"""Signals that end a run early: Ctrl-C, and those of schedulers and closing terminals."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from holdfast.errors import Interrupted

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""SIGUSR1 and SIGXCPU are left alone: programs give the one a meaning of their own, and the other
comes again every second."""

TOGETHER = 0.5  # seconds within which several signals are one request: a shell and the kernel both
# tell of a closed terminal, a launcher passes on the signals of its whole group


class Interruption:
    """A handler that takes note of the first signal; a later second one raises Interrupted."""

    def __init__(self) -> None:
        self.number: int | None = None  # of the first signal
        self._since = 0.0
        self._immediate = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        again = self.number is not None and time.monotonic() - self._since > TOGETHER
        if self.number is None:
            self.number, self._since = number, time.monotonic()
        if again or self._immediate:
            raise Interrupted(number)

    @property
    def requested(self) -> bool:
        """Return True once a signal came."""
        return self.number is not None

    def error(self) -> Interrupted:
        """Return the exception for the signal; Ctrl-C where another process got it."""
        return Interrupted(signal.SIGINT if self.number is None else self.number)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise Interrupted inside the block as soon as a signal comes, or came before."""
        self._immediate = True
        try:
            if self.requested:
                raise self.error()
            yield
        finally:
            self._immediate = False


@contextmanager
def deferred() -> Iterator[Interruption]:
    """Turn signals into a request inside the block, which asks for it when it can stop."""
    interruption = Interruption()
    with _handled_by(interruption):
        yield interruption


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted at once where a signal comes inside the block, whichever it is."""
    with _handled_by(_interrupt):
        yield


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    """Handle the signals inside the block, but for those that the program handles or ignores."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = (signal.SIG_DFL, signal.default_int_handler, _interrupt)
    taken = {number: known for number, known in before.items() if known in ours}
    try:
        for number in taken:
            signal.signal(number, handler)
        yield
    finally:
        for number, known in taken.items():
            signal.signal(number, known)
