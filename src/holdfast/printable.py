"""Text of others made fit to print: no escape codes, control or direction characters."""

from __future__ import annotations

import re

_BLANK = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")


def printable(text: str) -> str:
    """Return `text` on one line, every character without a glyph of its own written out.

    Terminals obey escape codes, and browsers and terminals alike let direction and zero-width
    characters make one name look like another. Line breaks and tabs become a space.
    """
    if text.isprintable():
        return text
    return "".join(c if _has_glyph(c) else _written(c) for c in _BLANK.sub(" ", text))


def shortened(text: str, most: int = 60) -> str:
    """Return a text, or its beginning where it has more than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _has_glyph(character: str) -> bool:
    # A space separator of Unicode is not "printable", but it only moves the next glyph.
    return character.isprintable() or (character.isspace() and ord(character) >= 0xA0)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode()
