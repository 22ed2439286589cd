"""Tables of what other libraries call attacks, suites and methods, from the one behind errors."""

from __future__ import annotations

from typing import Any

from generate import page_of, relative

import holdfast as hf
from holdfast.attacks import Attack
from holdfast.components import name_of
from holdfast.translation import ATTACKS, Row, rows

AIM = {True: "the nearest counterexample", False: "the worst within eps"}


def table(library: str, source: str = "index.md") -> str:
    """Return the table of one library: its name, ours, and the set or what differs.

    library: as in the code; "ART/methods" for the training methods of one that has attacks, too.
    """
    name, _, part = library.partition("/")
    methods = part == "methods" or name not in ATTACKS
    found = [row for row in rows() if row.library == name and (row.kind == "method") == methods]
    columns = ["there", "here"] if methods else ["there", "here", "set, or what differs", "finds"]
    cells = [[f"`{row.theirs}`", _here(row, source), row.remark, _aim(row)] for row in found]
    lines = [columns, ["---"] * len(columns), *(line[: len(columns)] for line in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _here(row: Row, source: str) -> str:
    """Return what the row names here, linked to its page."""
    if not row.ours and not row.nearest:
        return "not here"
    link = f"[`{row.ours or row.nearest}`]({relative(_page(row), source)})"
    return link if row.ours else f"not here; nearest: {link}"


def _page(row: Row) -> str:
    if row.kind == "suite":
        return "guides/evaluation.md"
    made = _made(row)
    if row.kind == "attack" and not isinstance(made, Attack):
        return "attacks/universal.md"  # fitted first
    return page_of(row.kind, name_of(type(made)))


def _aim(row: Row) -> str:
    made = None if row.kind == "suite" or not row.written else _made(row)
    return AIM[made.demands().nearest] if isinstance(made, Attack) else ""


def _made(row: Row) -> Any:
    return eval(row.written, {"hf": hf})  # written in our code, not by a reader
