"""Commands as they may be published: without credentials and private arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath

HIDDEN = "HIDDEN"  # stands for a text left out

_NAMES = (
    r"(pass(word|wd|phrase)?|token|bearer|signature|(secret|credential|cookie|header)s?|"
    r"auth(orization)?|(api|access|private|account)[-_.]?key)"
)
_SECRET_OPTION = re.compile(rf"(?i)--?([\w.-]*[-_.])?{_NAMES}")
_SECRET_FIELD = re.compile(rf"(?i)([\w.-]*[-_.])?{_NAMES}(\s*[=:]\s*)(?P<value>.+)", re.DOTALL)
_URL = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s'\"]+)")
_KNOWN_KEYS = re.compile(
    r"\b(hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-|AKIA|ASIA|AIza|eyJ)[\w.+/=-]{10,}"
)


def published_command(argv: Sequence[str]) -> str:
    """Return the command line to record of a process: ours with its options, others' by name.

    The meaning of the arguments of a user's own script is not known here: they are left out.
    """
    program, *words = argv or ["python"]
    if not _is_ours(program):
        return shlex.join([PurePath(program).name, *(["..."] if words else [])])
    return shlex.join(["holdfast", *without_credentials(words)])


def without_credentials(words: Sequence[str]) -> list[str]:
    """Return words of a command line with everything hidden that looks like a credential."""
    found, secret = [], False
    for word in words:
        found.append(HIDDEN if secret else _masked(word))
        secret = bool(_SECRET_OPTION.fullmatch(word))
    return found


def masked_command(command: str) -> str:
    """Return a command line, as a shell takes it, without its credentials."""
    try:
        words = shlex.split(command)
    except ValueError:  # no shell would take it
        words = command.split()
    return shlex.join(without_credentials(words))


def _masked(word: str) -> str:
    field = _SECRET_FIELD.fullmatch(word.removeprefix("--"))
    if field is not None:
        return f"{word[: -len(field['value'])]}{HIDDEN}"
    return _KNOWN_KEYS.sub(HIDDEN, _URL.sub(_public_part, word))


def _public_part(url: re.Match[str]) -> str:
    """Return a URL without user, password, query and fragment."""
    address, *more = re.split(r"[?#]", url["rest"], maxsplit=1)
    host, slash, path = address.partition("/")
    _, found, host = host.rpartition("@")
    user, query = f"{HIDDEN}@" if found else "", f"?{HIDDEN}" if more else ""
    return f"{url['scheme']}{user}{host}{slash}{path}{query}"


def _is_ours(program: str) -> bool:
    path = PurePath(program)
    return path.stem == "holdfast" or path.parts[-3:] == ("holdfast", "cli", "__main__.py")
