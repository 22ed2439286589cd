"""A deadline for work that somebody else has chosen: asked before every pass through a network."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from holdfast.errors import HoldfastError

_ENDS: ContextVar[float] = ContextVar("_ENDS", default=math.inf)  # a moment of the monotonic clock


class OutOfTime(HoldfastError):
    """The time that was allowed for the work is over."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Let the work inside the block take so long; an outer deadline that is nearer holds."""
    token = _ENDS.set(min(_ENDS.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS.reset(token)


def check_deadline() -> None:
    """Raise OutOfTime once the nearest deadline is over."""
    if time.monotonic() > _ENDS.get():
        raise OutOfTime("the time that was allowed is over")
