"""The report as one HTML file that needs nothing else: no request, no font, and no script to read.

Its one script adds controls to the page. The content policy names it by its hash, so no
other script runs, and forbids making markup from text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from holdfast.arguments import checked
from holdfast.claims import Claim
from holdfast.reporting import charts
from holdfast.reporting.comparison import p_value
from holdfast.reporting.spelling import count, percent
from holdfast.reporting.view import (
    ABOUT_CHECKED,
    ABOUT_STATED,
    ABOUT_WATERFALL,
    CHECKED,
    STATED,
    ClassRow,
    Report,
    nothing_left,
    view,
)
from holdfast.storage import user_path, write_atomic

MANY = 20  # classes beyond which only the weakest are shown open
WEAKEST = 10  # so many of them
PAIRS = 12  # pictures of the gallery that are shown open
MOST_PAIRS = 6  # pairs of models that are shown open


@checked
def write_report(
    claims: Sequence[Claim], out: Path | str, names: Sequence[str] | None = None
) -> Path:
    """Write the HTML report of some claims to the file `out` and return its path.

    names: names of the models, one for each claim; by default those that their authors gave.
    Raises InputError if there is no claim, or if the names are not one for each or repeat;
    StorageError if the file cannot be written.
    """
    path = user_path(out, "out")
    write_atomic(path, to_html(claims, names).encode())
    return path


@checked
def to_html(claims: Sequence[Claim], names: Sequence[str] | None = None) -> str:
    """Return the report as one self-contained HTML page; names: as for `write_report`."""
    return render(view(claims, names))


def render(report: Report) -> str:
    """Return the HTML page of a view."""
    environment = Environment(
        loader=PackageLoader("holdfast.reporting", "templates"),
        autoescape=True,  # names and labels come from users
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, count=count, share=_share)
    assert environment.loader is not None
    sheet, script = (
        environment.loader.get_source(environment, name)[0] for name in ("style.css", "report.js")
    )
    numbered = list(enumerate(report.claims))
    many = len(numbered) > 1
    ends = [abs(end) for c in report.comparisons for end in (c.robust.low, c.robust.high)]
    return environment.get_template("report.html.j2").render(
        report=report,
        numbered=numbered,
        charts=charts,
        style=Markup(sheet),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=_hash(script),
        scatter="" if report.differences else charts.scatter(numbered, "scatter"),
        curves="" if report.differences or not many else charts.security_curve(numbered, "curves"),
        many=many,
        split_classes=_split_classes,
        nothing_left=nothing_left,
        p_value=p_value,
        reach=max(ends, default=0.0) or 1.0,
        most_pairs=MOST_PAIRS,
        pairs=PAIRS,
        about_waterfall=ABOUT_WATERFALL,
        parts=((CHECKED, ABOUT_CHECKED), (STATED, ABOUT_STATED)),
    )


def _hash(script: str) -> str:
    """Return the source expression that lets a page run this script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _share(value: float) -> str:
    """Return a fraction as a CSS percentage."""
    return f"{100 * value:.2f}%"


def _split_classes(rows: Sequence[ClassRow]) -> tuple[list[ClassRow], list[ClassRow]]:
    """Return the classes to show and those to fold away: with many, the weakest come first."""
    if len(rows) <= MANY:
        return list(rows), []
    weakest = sorted(rows, key=lambda row: (row.robust or row.clean).value)
    return weakest[:WEAKEST], weakest[WEAKEST:]
