"""What a check says about a model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a check is content; a failed one makes robustness figures untrustworthy."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found: its name, its verdict, one sentence, and what to do about it."""

    id: str
    status: Verdict
    message: str
    remedy: str = ""


def passed(name: str, message: str) -> Finding:
    """Return the finding of a check that is content."""
    return Finding(id=name, status=Verdict.PASS, message=message)


def warned(name: str, message: str, remedy: str) -> Finding:
    """Return the finding of a check that saw something to know, not something wrong."""
    return Finding(id=name, status=Verdict.WARN, message=message, remedy=remedy)


def failed(name: str, message: str, remedy: str) -> Finding:
    """Return the finding of a check that saw why figures would mislead."""
    return Finding(id=name, status=Verdict.FAIL, message=message, remedy=remedy)
