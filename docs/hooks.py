"""What mkdocs runs while it builds these pages: tables from the registry, equations as MathML.

A page asks with an HTML comment: `attacks`, `ours`, `capabilities`, `suites`, `results`,
`components: loss`, `fields: attack/pgd`, `file: examples/recheck.py`, `help: train`,
`result: training/kills` or `translations: foolbox`.
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
import measured
import translations

_TABLES = "attacks|ours|capabilities|suites|results?|components|fields|file|help|translations"
_ASK = re.compile(rf"<!-- ({_TABLES})(?:: ([\w/.-]+))? -->")
_MATH = re.compile(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.DOTALL)

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_HEAD, _CELL = re.compile(r"<th>(.*?)</th>"), re.compile(r"<td>(.*?)</td>")
_TAG = re.compile(r"<[^>]+>")
MANY, FIGURES, LONG = 4, 8, 60  # columns from here, but not from there on; characters of a row


def on_config(config: Any, **_: Any) -> Any:
    """Register every component before the first page asks for one, and list the attacks."""
    generate.load_all()
    if config["nav"]:
        config["nav"] = families.navigation(config["nav"])
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put the generated tables where the page asks for them, and figures below an attack's page."""
    source = page.file.src_uri
    answers: dict[str, Callable[..., str]] = {
        "attacks": lambda: families.attacks(source),
        "ours": lambda: families.ours(source),
        "capabilities": families.capabilities,
        "suites": generate.suites,
        "results": generate.results,
        "components": lambda kind: generate.components(kind, source),
        "fields": lambda component: generate.fields(*component.split("/")),
        "file": generate.file,
        "help": generate.command_help,
        "result": generate.result,
        "translations": lambda library: translations.table(library, source),
    }
    text = _ASK.sub(lambda found: answers[found[1]](*filter(None, found.groups()[1:])), markdown)
    return families.marked(text, source) + f"\n\n{measured.section(source)}".rstrip()


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

    That is a table of many columns that are wide together; one of short cells is left as it is.
    """
    heads = [_TAG.sub("", head).replace('"', "&quot;") for head in _HEAD.findall(found[0])]
    cells = [len(_TAG.sub("", cell)) for cell in _CELL.findall(found[0])]
    widths = [max(cells[i :: len(heads)], default=0) for i in range(len(heads))]
    if not MANY <= len(heads) < FIGURES or sum(widths) < LONG:
        return found[0]
    labels = itertools.cycle(heads)
    table = re.sub("<td>", lambda _: f'<td data-label="{next(labels)}">', found[0])
    return table.replace("<table", "<table data-stacked", 1)
