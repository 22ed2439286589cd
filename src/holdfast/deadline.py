"""Calls before every pass through a network: of a deadline, and of whoever shows the work."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token

from holdfast.errors import HoldfastError

Listeners = Mapping[str, Callable[[], None]]

_ENDS: ContextVar[float] = ContextVar("_ENDS", default=math.inf)  # a moment of the monotonic clock
_LISTENERS: ContextVar[Listeners] = ContextVar("_LISTENERS", default={})  # noqa: B039 - never changed


class OutOfTime(HoldfastError):
    """The time that was allowed for the work is over."""


def beat() -> None:
    """Tell whoever listens that the work goes on; raise OutOfTime once a deadline is over."""
    for listener in _LISTENERS.get().values():
        listener()


def listen(name: str, listener: Callable[[], None]) -> Token[Listeners]:
    """Call `listener` at every beat, in place of an earlier one of that name; return how to stop.

    The token is for `stop_listening`.
    """
    return _LISTENERS.set({**_LISTENERS.get(), name: listener})


def stop_listening(token: Token[Listeners]) -> None:
    """Undo the call of `listen` that returned this token."""
    _LISTENERS.reset(token)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Let the work inside the block take so long; an outer deadline that is nearer holds."""
    end = _ENDS.set(min(_ENDS.get(), time.monotonic() + seconds))
    token = listen("deadline", check_deadline)
    try:
        yield
    finally:
        stop_listening(token)
        _ENDS.reset(end)


def check_deadline() -> None:
    """Raise OutOfTime once the nearest deadline is over."""
    if time.monotonic() > _ENDS.get():
        raise OutOfTime("the time that was allowed is over")
