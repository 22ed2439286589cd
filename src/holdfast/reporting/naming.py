"""Names of the models in a report, and whose names they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.claims import Claim
from holdfast.errors import InputError
from holdfast.printable import printable

AUTHORS = "as its author calls it"


@dataclass(frozen=True)
class Name:
    """Name of one model in a report. origin: whose name it is; author: the author's name for it."""

    shown: str
    origin: str
    author: str

    @property
    def other(self) -> str:
        """The author's name where another is shown, "" where that one is."""
        return "" if self.origin == AUTHORS else self.author

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """The row that sets a name that is not the author's apart from what the author states."""
        return (("Called here", f"{self.shown} ({self.origin})"),) if self.other else ()


def name_claims(claims: Sequence[Claim], names: Sequence[str] | None) -> list[Name]:
    """Return names that differ: the given ones, the models', the folders', or their paths.

    Raises InputError if the given names are not one for each claim, are empty or repeat.
    """
    authors = [str(claim.document["model"]["name"]) for claim in claims]
    if names is not None:
        return [
            Name(name, "named for this report", author)
            for name, author in zip(_checked(names, len(claims)), authors, strict=True)
        ]
    if _differ(authors):
        return [Name(author, AUTHORS, author) for author in authors]
    folders = [claim.folder.resolve() for claim in claims]
    shown = [folder.name for folder in folders]
    if not _differ(shown):
        shown = ["/".join(folder.parts[-2:]) for folder in folders]
    if not _differ(shown):
        shown = [f"{i}. {claim.folder}" for i, claim in enumerate(claims, start=1)]
    return [
        Name(name, "named after its folder", author)
        for name, author in zip(shown, authors, strict=True)
    ]


def _checked(names: Sequence[str], n: int) -> list[str]:
    """Return the given names, fit to print; InputError if they cannot tell the claims apart."""
    found = [printable(name).strip() for name in names]
    if len(found) != n:
        raise InputError(
            f"got {_counted(len(found), 'name')} for {_counted(n, 'claim')}: give one for each, in "
            "their order"
        )
    again = [name for name, times in Counter(found).items() if times > 1]
    if again:
        raise InputError(f"names must differ, got {again[0]!r} more than once: name them apart")
    if "" in found:
        raise InputError("a name must not be empty: leave out the names to use the authors'")
    return found


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _differ(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)
