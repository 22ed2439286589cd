"""The way from arguments to an exit status: every error becomes one line that says what to do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import typer

from holdfast.cli.app import app
from holdfast.cli.options import ELSEWHERE
from holdfast.errors import HoldfastError, HoldfastWarning, InputError, VerificationError
from holdfast.malloc import hold_memory
from holdfast.printable import printable

REFUTED = 1  # a claim does not hold, or the demo misses its figures
MISUSED = 2  # bad input, configuration or storage
UNEXPECTED = 3  # a bug of ours, or an error inside somebody's network
INTERRUPTED = 130  # Ctrl-C, as shells report it; other signals: 128 + their number

_usage_error = typer.BadParameter.__base__  # typer carries click inside and names few of its errors
CLICK_ERROR: type[Exception] = getattr(_usage_error, "__base__", Exception)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with a status (see the constants above).

    An error is one line on stderr; `--debug`, anywhere, shows the traceback instead.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    hold_memory()
    sys.exit(run([word for word in words if word != "--debug"], debug=debug))


def run(words: Sequence[str], *, debug: bool = False) -> int:
    """Run the command line and return the exit status; with `debug`, errors pass through."""
    with warnings.catch_warnings():
        warnings.showwarning = cast(Any, _show)
        return _run(words, debug=debug)


def _run(words: Sequence[str], *, debug: bool) -> int:
    try:
        status = app(list(words) or ["--help"], standalone_mode=False, prog_name="holdfast")
    except CLICK_ERROR as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        return 0
    except Exception as error:
        if debug:
            raise
        return _report(error)
    return status if isinstance(status, int) else 0


def say(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(printable(" ".join(text.split())) + "\n")


def _show(message: Warning | str, category: type[Warning], *place: Any) -> None:
    """Write a warning of ours as one line, and others as Python does."""
    if issubclass(category, HoldfastWarning):
        say(f"warning: {message}")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, *place[:2]))


def _usage(error: Exception) -> int:
    """Report a mistake in the arguments."""
    message = getattr(error, "format_message", error.__str__)()
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "holdfast"
    name = getattr(error, "option_name", None)
    tip = ELSEWHERE.get(name, "") if isinstance(name, str) else ""
    if tip:
        message = f"no such option: {name}: {tip}"
    say(f"error: {message.rstrip('.')}; see {command} --help")
    return MISUSED


def _report(error: Exception) -> int:
    if isinstance(error, VerificationError):
        say(f"NOT VERIFIED: {error}")
        return REFUTED
    if isinstance(error, HoldfastError):
        say(f"error: {error.on_console() if isinstance(error, InputError) else error}")
        return MISUSED
    say(f"unexpected {type(error).__name__}: {error} (run again with --debug for the traceback)")
    return UNEXPECTED
