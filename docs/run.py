"""Run the Python snippets of a guide, in order, and write what each prints into the page.

    python docs/run.py docs/guides/too-high.md

Snippets share their names, as if typed one after another in a fresh folder. The block of text right
behind one holds what it prints: warnings and errors of Holdfast as one line, long lines wrapped. A
test compares it with what is printed now: word by word, numbers within what another machine may
change.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from holdfast.errors import HoldfastError, HoldfastWarning

WIDTH = 100
_BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n\n^```text\n(?P<shown>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


class Snippet(NamedTuple):
    """One snippet of a page, with the output that the page shows and what it prints now."""

    code: str
    shown: str | None  # None: the page shows none
    printed: str


def run(page: Path) -> Iterator[Snippet]:
    """Yield the snippets of a page with what they print."""
    names: dict[str, Any] = {"__name__": "guide"}
    text, threads = page.read_text("utf-8"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        folder = tempfile.TemporaryDirectory()
        with torch.random.fork_rng(), folder as name, contextlib.chdir(name):
            for found in _BLOCK.finditer(text):
                yield Snippet(found["code"], found["shown"], _printed(found["code"], names, page))
    finally:
        torch.set_num_threads(threads)


def _printed(code: str, names: dict[str, Any], page: Path) -> str:
    """Run one snippet and return what a reader sees of it."""
    out = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(out):
        warnings.simplefilter("always", HoldfastWarning)
        warnings.showwarning = _say
        try:
            exec(compile(code, page.name, "exec"), names)
        except HoldfastError as error:
            print(f"{type(error).__name__}: {error}")
    lines = (textwrap.wrap(line, WIDTH) or [""] for line in out.getvalue().splitlines())
    return "".join(f"{part}\n" for line in lines for part in line)


def _say(message: Warning | str, category: type[Warning], *_: Any) -> None:
    """Print a warning of ours where a reader sees it; others are no part of a page."""
    if issubclass(category, HoldfastWarning):
        print(f"{category.__name__}: {message}")


def same(shown: str, printed: str) -> bool:
    """Return True if two outputs say the same words, with numbers near to each other."""
    then, now = (" ".join(text.split()) for text in (shown, printed))
    then, now = (re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", text) for text in (then, now))
    if _NUMBER.sub("#", then) != _NUMBER.sub("#", now):
        return False
    pairs = zip(_NUMBER.findall(then), _NUMBER.findall(now), strict=True)
    return all(_near(*(float(text.replace(",", "")) for text in pair)) for pair in pairs)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= max(3.0 if max(one, other) > 1 else 0, 0.1 * max(one, other))


def main(page: Path) -> None:
    """Write what the snippets print into the blocks of text behind them."""
    printed = iter([snippet.printed for snippet in run(page)])

    def filled(found: re.Match[str]) -> str:
        now = next(printed)
        if found["shown"] is None:
            return found[0]
        return f"```python\n{found['code']}```\n\n```text\n{now}```"

    page.write_text(_BLOCK.sub(filled, page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in sys.argv[1:]:
        main(Path(name))
