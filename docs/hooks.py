"""What mkdocs runs while it builds these pages: equations become MathML."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

_MATH = re.compile(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.DOTALL)


def _to_mathml(found: re.Match[str]) -> str:
    display = "block" if found[1] == "div" else "inline"
    return convert(html.unescape(found[2]).strip(), display=display)


def on_page_content(content: str, **_: Any) -> str:
    """Replace each equation by MathML, which browsers draw without any script."""
    return _MATH.sub(_to_mathml, content)
