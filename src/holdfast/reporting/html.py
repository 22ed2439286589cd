"""The report as one HTML file that needs nothing else: no script, no request, no font."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from holdfast.arguments import checked
from holdfast.claims import Claim
from holdfast.reporting import charts
from holdfast.reporting.spelling import count, percent
from holdfast.reporting.view import (
    ABOUT_CHECKED,
    ABOUT_STATED,
    CHECKED,
    STATED,
    ClassRow,
    Report,
    view,
)
from holdfast.storage import user_path, write_atomic

MANY = 20  # classes beyond which only the weakest are shown open
WEAKEST = 10  # so many of them
PAIRS = 12  # pictures of the gallery that are shown open


@checked
def write_report(claims: Sequence[Claim], out: Path | str) -> Path:
    """Write the HTML report of some claims to the file `out` and return its path.

    Raises InputError if there is no claim, StorageError if the file cannot be written.
    """
    path = user_path(out, "out")
    write_atomic(path, to_html(claims).encode())
    return path


@checked
def to_html(claims: Sequence[Claim]) -> str:
    """Return the report as one self-contained HTML page."""
    return render(view(claims))


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
    sheet = environment.loader.get_source(environment, "style.css")[0]
    numbered = list(enumerate(report.claims))
    many = len(numbered) > 1
    return environment.get_template("report.html.j2").render(
        report=report,
        numbered=numbered,
        charts=charts,
        style=Markup(sheet),  # noqa: S704 - our own file
        scatter="" if report.differences else charts.scatter(numbered, "scatter"),
        curves="" if report.differences or not many else charts.security_curve(numbered, "curves"),
        many=many,
        split_classes=_split_classes,
        pairs=PAIRS,
        parts=((CHECKED, ABOUT_CHECKED), (STATED, ABOUT_STATED)),
    )


def _share(value: float) -> str:
    """Return a fraction as a CSS percentage."""
    return f"{100 * value:.2f}%"


def _split_classes(rows: Sequence[ClassRow]) -> tuple[list[ClassRow], list[ClassRow]]:
    """Return the classes to show and those to fold away: with many, the weakest come first."""
    if len(rows) <= MANY:
        return list(rows), []
    weakest = sorted(rows, key=lambda row: (row.robust or row.clean).value)
    return weakest[:WEAKEST], weakest[WEAKEST:]
