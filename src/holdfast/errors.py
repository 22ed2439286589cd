"""The errors that Holdfast raises: one line each, saying what was wrong, what came, and the fix."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches

from holdfast.printable import printable

FEW = 16  # names that a message lists in full
NEAREST = 3  # names that a message proposes out of many
CLOSE = 0.5  # of difflib's likeness


class HoldfastError(Exception):
    """Any error that Holdfast raises on purpose; the command line prints it as one line."""

    def __str__(self) -> str:
        return printable(super().__str__())  # messages quote names that others chose


class InputError(HoldfastError, ValueError):
    """A value that the user passed in cannot be used: data, labels, shapes, eps.

    console: the message on the command line, where the fix is written otherwise than in Python.
    """

    def __init__(self, message: str = "", *, console: str | None = None) -> None:
        super().__init__(message)
        self.console = console

    def on_console(self) -> str:
        """Return the text for the command line."""
        return str(self) if self.console is None else printable(self.console)


class ConfigError(HoldfastError, ValueError):
    """A configuration names something unknown or gives a field a value of the wrong type."""


class Unsupported(HoldfastError, TypeError):
    """An attack does not fit the set, the goal or the knowledge that the threat model grants."""


class StorageError(HoldfastError, OSError):
    """A file could not be written, or one of ours is missing, truncated or altered."""


class TargetError(HoldfastError, RuntimeError):
    """A target outside of PyTorch does not answer."""


class VerificationError(HoldfastError):
    """A claim does not hold for the files, the model or the data at hand."""


class HoldfastWarning(UserWarning):
    """A value that can be meant and hardly ever is: too short steps, a tiny eps; or no locks."""


def outside() -> int:
    """Return the stack level of the user's own line, the first one outside of this package."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001  `warnings` offers this from 3.12 on
    while frame.f_back is not None and _ours(str(frame.f_globals.get("__name__"))):
        level, frame = level + 1, frame.f_back
    return level


def _ours(module: str) -> bool:
    """Return True for our modules, and for those that call functions decorated with a context."""
    return module.partition(".")[0] in ("holdfast", "contextlib", "torch")


class Interrupted(KeyboardInterrupt):
    """A signal ended the work after what can be kept was saved; `signal` is its number.

    It is no HoldfastError: handlers of errors should not catch it.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


def first_line(error: BaseException) -> str:
    """Return the first informative line of an error; other libraries' may have many, or none.

    Keras writes the place first, and the error, in bold, below.
    """
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        lines = [lines[1].replace("\x1b[1m", "").replace("\x1b[0m", "")]
    return next(iter(lines), "without a message")


def in_one_line(error: BaseException) -> str:
    """Return the type of an error and the first line of its message."""
    return f"{type(error).__name__}: {first_line(error)}"


def in_words(names: Iterable[str], last: str = "and") -> str:
    """Return names as a list in a sentence: a, b and c."""
    words = list(names)
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def did_you_mean(name: str, known: Iterable[str], more: str = "") -> str:
    """Return the tail of an error about an unknown name: the nearest known ones, and the others.

    more: a command that lists all of them, such as "holdfast list attack", for where they are too
    many to stand in a line.
    """
    names = sorted(known)
    near = nearest(name, names)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    if len(names) <= FEW:
        return f"{hint} known: {', '.join(names) or 'none'}"
    rest = [f"also near: {', '.join(near[1:])}"] if near[1:] else []
    if more or not near:
        rest.append(f"{more} names all {len(names)}" if more else _start_of(names))
    return f"{hint} {'; '.join(rest)}".rstrip()


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the few known names that are most like a name, the likest first."""
    names = sorted(known)
    near = get_close_matches(name, names, n=NEAREST, cutoff=CLOSE)
    return near or get_close_matches(name.lower(), names, n=NEAREST, cutoff=CLOSE)  # APGD, DLR


def _start_of(names: list[str]) -> str:
    return f"known: {', '.join(names[:FEW])} and {len(names) - FEW} others"
