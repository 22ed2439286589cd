"""What mkdocs runs while it builds these pages: tables from the registry, equations as MathML.

A page asks with an HTML comment: `attacks`, `capabilities`, `suites`, `results`,
`components: loss`, `fields: attack/pgd`, `help: train`, `result: training/kills` or
`translations: foolbox`.
"""

from __future__ import annotations

import html
import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

sys.path.insert(0, str(Path(__file__).resolve().parent))

import families  # these lie beside this file, which mkdocs loads by path
import generate
import translations

_TABLES = "attacks|capabilities|suites|results?|components|fields|help|translations"
_ASK = re.compile(rf"<!-- ({_TABLES})(?:: ([\w/-]+))? -->")
_MATH = re.compile(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.DOTALL)

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_HEAD, _CELL = re.compile(r"<th>(.*?)</th>"), re.compile(r"<td>(.*?)</td>")
_TAG = re.compile(r"<[^>]+>")
MANY, FIGURES, LONG = 4, 8, 24  # columns from here, but not from there on; characters of a cell


def on_pre_build(**_: Any) -> None:
    """Register every component before the first page asks for one."""
    generate.load_all()


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the generated tables where the page asks for them."""
    source = page.file.src_uri
    answers: dict[str, Callable[..., str]] = {
        "attacks": lambda: families.attacks(source),
        "capabilities": families.capabilities,
        "suites": generate.suites,
        "results": generate.results,
        "components": lambda kind: generate.components(kind, source),
        "fields": lambda component: generate.fields(*component.split("/")),
        "help": generate.command_help,
        "result": generate.result,
        "translations": lambda library: translations.table(library, source),
    }
    return _ASK.sub(lambda found: answers[found[1]](*filter(None, found.groups()[1:])), markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Draw equations as MathML, without any script, and label the cells of wide tables."""
    return _TABLE.sub(_labelled, _MATH.sub(_to_mathml, content))


def _to_mathml(found: re.Match[str]) -> str:
    display = "block" if found[1] == "div" else "inline"
    equation = convert(html.unescape(found[2]).strip(), display=display)
    equation = equation.replace("<mi>\\arg</mi>", "<mo>arg</mo>")  # which the converter leaves
    return f'<div class="equation">{equation}</div>' if display == "block" else equation


def _labelled(found: re.Match[str]) -> str:
    """Label each cell by its column where a phone shows the cells below each other.

    That is a table of many columns with sentences in it; one of many short cells is left as it is.
    """
    heads = [_TAG.sub("", head).replace('"', "&quot;") for head in _HEAD.findall(found[0])]
    cells = _CELL.findall(found[0])
    longest = max((len(_TAG.sub("", cell)) for cell in cells), default=0)
    if not MANY <= len(heads) < FIGURES or longest < LONG:
        return found[0]
    labels = itertools.cycle(heads)
    table = re.sub("<td>", lambda _: f'<td data-label="{next(labels)}">', found[0])
    return table.replace("<table", "<table data-stacked", 1)
