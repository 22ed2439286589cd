"""Documents that differ from a claim's in one field, sealed as a forger would seal them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.claims.text import readable_bytes
from holdfast.components import digest

DEEP: list[Any] = []
for _ in range(20):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    *("x", "", None, -1, 0, 10**30, 1.5, 1e300, True, [], {}, [1], {"a": 1}, DEEP, "\x1b[2J\u202e"),
    "y" * 200_000,
)
Where = tuple[str | int, ...]


def places(value: Any, at: Where = ()) -> Iterator[Where]:
    """Every field of a document; of the entries of a list, the first."""
    if at:
        yield at
    found = enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in value.items() if isinstance(value, dict) else found:
        yield from places(item, (*at, key))


def changed(document: Any, at: Where, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(dict(document))
    node: Any = found
    for key in at[:-1]:
        node = node[key]
    node[at[-1]] = value
    return found


def seal(folder: Path, document: dict[str, Any]) -> Path:
    """Write a document with a digest that fits, as a forger would."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    (folder / "claim.json").write_bytes(readable_bytes({**rest, "digest": digest(rest)}))
    return folder
