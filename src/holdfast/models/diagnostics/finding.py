"""Findings of checks of a model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.errors import InputError


class Verdict(StrEnum):
    """The outcome of a check; a failed one makes robustness figures untrustworthy."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check: its name, its verdict, one sentence, and what to do about it.

    console: the remedy on the command line, where it is another one there.
    """

    id: str
    status: Verdict
    message: str
    remedy: str = ""
    console: str | None = None

    def refusal(self) -> InputError:
        """Return the error that a failed check becomes where nothing may go on."""
        console = None if self.console is None else f"{self.message}: {self.console}"
        return InputError(f"{self.message}: {self.remedy}", console=console)


def passed(name: str, message: str) -> Finding:
    """Return the finding of a check that is content."""
    return Finding(id=name, status=Verdict.PASS, message=message)


def warned(name: str, message: str, remedy: str) -> Finding:
    """Return the finding of a check that saw something to know, not something wrong."""
    return Finding(id=name, status=Verdict.WARN, message=message, remedy=remedy)


def failed(name: str, message: str, remedy: str, console: str | None = None) -> Finding:
    """Return the finding of a check that saw why figures would mislead."""
    return Finding(id=name, status=Verdict.FAIL, message=message, remedy=remedy, console=console)
