"""What mkdocs runs while it builds these pages: tables from the registry, equations as MathML.

A page asks with an HTML comment: `attacks`, `suites`, `results`, `components: loss`,
`fields: attack/pgd`, `help: train` or `result: training/kills`.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).resolve().parent))

import generate  # it lies beside this file, which mkdocs loads by path

_ASK = re.compile(r"<!-- (attacks|suites|results?|components|fields|help)(?:: ([\w/-]+))? -->")
_MATH = re.compile(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.DOTALL)


def on_pre_build(**_: Any) -> None:
    """Register every component before the first page asks for one."""
    generate.load_all()


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the generated tables where the page asks for them."""
    source = page.file.src_uri
    answers: dict[str, Callable[..., str]] = {
        "attacks": lambda: generate.attacks(source),
        "suites": generate.suites,
        "results": generate.results,
        "components": lambda kind: generate.components(kind, source),
        "fields": lambda component: generate.fields(*component.split("/")),
        "help": generate.command_help,
        "result": generate.result,
    }
    return _ASK.sub(lambda found: answers[found[1]](*filter(None, found.groups()[1:])), markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Replace each equation by MathML, which browsers draw without any script."""
    return _MATH.sub(_to_mathml, content)


def _to_mathml(found: re.Match[str]) -> str:
    display = "block" if found[1] == "div" else "inline"
    return convert(html.unescape(found[2]).strip(), display=display)
