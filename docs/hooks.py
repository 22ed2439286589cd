"""What mkdocs runs while it builds these pages: tables from the registry, equations as MathML.

A page asks with an HTML comment: `attacks`, `suites`, `components: loss`, `fields: attack/pgd` or
`help: train`.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate  # it lies beside this file, which mkdocs loads by path

_ASK = re.compile(r"<!-- (attacks|suites|components|fields|help)(?:: ([\w/-]+))? -->")
_MATH = re.compile(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.DOTALL)


def on_pre_build(**_: Any) -> None:
    """Register every component before the first page asks for one."""
    generate.load_all()


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the generated tables where the page asks for them."""

    def answer(found: re.Match[str]) -> str:
        what, which = found[1], found[2]
        if what == "attacks":
            return generate.attacks(page.file.src_uri)
        if what == "suites":
            return generate.suites()
        if what == "components":
            return generate.components(which, page.file.src_uri)
        if what == "fields":
            return generate.fields(*which.split("/"))
        return generate.command_help(which)

    return _ASK.sub(answer, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Replace each equation by MathML, which browsers draw without any script."""
    return _MATH.sub(_to_mathml, content)


def _to_mathml(found: re.Match[str]) -> str:
    display = "block" if found[1] == "div" else "inline"
    return convert(html.unescape(found[2]).strip(), display=display)
