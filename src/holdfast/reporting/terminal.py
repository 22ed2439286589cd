"""The report in a terminal: the same content with rich tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from holdfast.arguments import checked
from holdfast.claims import Accuracy, Claim
from holdfast.claims.wording import as_sentence
from holdfast.reporting.facts import Facts
from holdfast.reporting.spelling import count, percent
from holdfast.reporting.view import (
    ABOUT_CHECKED,
    ABOUT_STATED,
    ABOUT_WATERFALL,
    CHECKED,
    STATED,
    ClaimView,
    Report,
    nothing_left,
    view,
)

COLORS = {"pass": "green", "warn": "yellow", "fail": "bold red", "not-run": "dim"}
PART = "bold reverse"  # the headings of the two parts of a claim
WIDTH = 24  # characters of a bar
NARROW = 10  # of one in the table of all models


@checked
def print_terminal(
    claims: Sequence[Claim], console: Console | None = None, names: Sequence[str] | None = None
) -> None:
    """Print the report of some claims.

    names: names of the models, one for each claim; by default those that their authors gave.
    Raises InputError if there is no claim, or if the names are not one for each or repeat.
    """
    console = console or Console()
    report = view(claims, names)
    console.print(Padding(Text(report.title, style="bold"), (1, 0, 0, 0)))
    if report.conclusion:
        style = "yellow" if report.differences else "bold"
        console.print(Padding(Text(" ".join(report.conclusion), style=style), (1, 0, 0, 0)))
    console.print(_overview(report))
    for part in _differences(report):
        console.print(part)
    for claim in report.claims:
        console.print(_claim(claim), crop=False)


def _overview(report: Report) -> Table:
    head = (f"Model, {report.names_of}", "Clean accuracy", "Not broken (upper bound)", "", "Checks")
    rows = [
        (
            Text(c.name, style="bold") + Text(f" ({_about_name(c)})", style="dim"),
            Text(str(c.clean)),
            Text(str(c.robust) if c.robust else f"{c.verdict}: at most {c.most}"),
            _bar(c.robust or c.most, "cyan" if c.robust else "yellow", NARROW),
            _checks(c),
        )
        for c in report.claims
    ]
    return _table(head, rows)


def _about_name(claim: ClaimView) -> str:
    other = f"; its author calls it {claim.author_name}" if claim.author_name else ""
    return f"{claim.model}{other}"


def _checks(claim: ClaimView) -> Text:
    """Return how far the number can be relied on, and the status of the checks."""
    said = Text(claim.opinion)
    for status, words in claim.tally:
        said += Text("\n") + Text(words, style=COLORS[status])
    return said


def _differences(report: Report) -> list[RenderableType]:
    rows = [
        (
            Text(f"{c.names[0]} over {c.names[1]}"),
            Text(str(c.robust)),
            Text(c.verdict),
            Text(str(c.clean)),
        )
        for c in report.comparisons
    ]
    found = _titled("Differences", ("Pair", "Not broken", "Verdict", "Clean accuracy"), rows)
    return [*found, Text(report.about_comparisons, style="dim"), Text("")] if found else []


def _claim(claim: ClaimView) -> RenderableType:
    parts: list[RenderableType] = [Rule(Text(claim.name, style="bold"), align="left", style="dim")]
    style = "red" if claim.verdict else ""
    parts.append(Padding(Text(claim.sentence, style=style), (1, 0)))
    parts += [Text(CHECKED, style=PART), Text(ABOUT_CHECKED, style="dim"), Text("")]
    points = [(Text(p.eps), Text(str(p.robust)), _bar(p.robust, "cyan")) for p in claim.curve]
    parts += _titled("Security curve", ("eps", "Not broken", ""), points)
    parts += _titled("By class", ("Class", "n", "Clean", "Not broken", ""), _classes(claim))
    head = ("Id", "Label", "Clean", "Adversarial", "Broken by", "Largest change")
    parts += _titled("Counterexamples", head, _gallery(claim))
    checks = [(Text(c.status, style=COLORS.get(c.status, "")), Text(c.id)) for c in claim.checks]
    parts += _titled("Checks", ("", "Check"), checks)
    for title, facts in (
        ("What was evaluated", claim.subject),
        ("Threat model", claim.threat),
        ("Attacks", claim.attacks),
        ("Digests", claim.digests),
    ):
        parts += _titled(title, ("", ""), _facts(facts))
    parts.append(Text("Check it yourself", style="bold"))
    # Neither broken nor indented: both would spoil the command for copying.
    parts.append(Text(f"{claim.recheck.text}\n", style="cyan", no_wrap=True, overflow="ignore"))
    if claim.recheck.note:
        parts.append(Padding(Text(claim.recheck.note, style="dim"), (0, 0, 1, 0)))
    return Group(*parts, *_stated(claim))


def _stated(claim: ClaimView) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(STATED, style=PART), Text(ABOUT_STATED, style="dim")]
    parts.append(_table(("", ""), _facts(claim.stated)))
    head = ("Stage", "Entered", "Broke", "Left", "", "Passes", "Time")
    waterfall = _titled("Attack waterfall", head, _stages(claim))
    parts += [*waterfall[:1], Text(ABOUT_WATERFALL, style="dim"), *waterfall[1:]]
    if claim.idle:
        parts.append(Padding(Text(nothing_left(claim.idle), style="dim"), (0, 0, 1, 0)))
    words = [(Text(c.id), Text(_advice(c.message, c.remedy))) for c in claim.checks]
    parts += _titled("What the checks say", ("Check", "Finding"), words)
    cost = [tuple(Text(cell) for cell in row) for row in claim.cost]
    parts += _titled("Cost", ("", "Total", "Per point"), cost)
    parts += _titled("Training", ("", "Epoch", "Clean", "Robust"), _training(claim))
    if run := claim.training:
        how = (("Run", run.run), ("Method", run.method), ("Within", run.trained_within))
        parts.append(_table(("", ""), _facts(how)))
    parts += _titled("Environment", ("", ""), _facts(claim.environment))
    parts.append(Text("Evaluated with", style="bold"))
    parts.append(Padding(Text(claim.evaluated_with), (0, 0, 1, 1)))
    return parts


def _stages(claim: ClaimView) -> list[tuple[Text, ...]]:
    return [
        (
            Text(s.name),
            Text(count(s.entered)),
            Text(count(s.broken)),
            Text(count(s.left)),
            _blocks(s.left / claim.n, "cyan") + _blocks(s.lost / claim.n, "red"),
            Text(s.passes),
            Text(s.seconds),
        )
        for s in claim.waterfall
    ]


def _classes(claim: ClaimView) -> list[tuple[Text, ...]]:
    return [
        (
            Text(row.name),
            Text(count(row.n)),
            Text(str(row.clean)),
            Text(str(row.robust) if row.robust else "withheld"),
            _bar(row.robust, "cyan") if row.robust else Text(""),
        )
        for row in claim.classes
    ]


def _gallery(claim: ClaimView) -> list[tuple[Text, ...]]:
    def answer(name: str, confidence: float | None) -> Text:
        return Text(name if confidence is None else f"{name} ({percent(confidence)})")

    return [
        (
            Text(count(pair.id)),
            Text(pair.label),
            answer(pair.before, pair.before_confidence),
            answer(pair.after, pair.after_confidence),
            Text(pair.attack),
            Text(f"{pair.largest_change:.3g}"),
        )
        for pair in claim.gallery
    ]


def _training(claim: ClaimView) -> list[tuple[Text, ...]]:
    run = claim.training
    if run is None:
        return []
    rows = []
    for name, epoch in (("best", run.best), ("last", run.last)):
        line = run.at(epoch)
        figures = (line.clean, line.robust) if line else (None, None)
        shown = (Text("-" if value is None else percent(value)) for value in figures)
        rows.append((Text(name), Text(str(epoch)), *shown))
    events = [
        (Text(e.event), Text(str(e.epoch)), Text(""), Text("")) for e in run.epochs if e.event
    ]
    return [*rows, *events]


def _facts(facts: Facts) -> list[tuple[Text, ...]]:
    return [(Text(name, style="dim"), Text(value)) for name, value in facts]


def _advice(message: str, remedy: str) -> str:
    return f"{as_sentence(message)} {as_sentence(remedy)}".rstrip()


def _bar(accuracy: Accuracy, color: str, width: int = WIDTH) -> Text:
    return _blocks(accuracy.value, color, width)


def _blocks(share: float, color: str, width: int = WIDTH) -> Text:
    """Return a bar; anything above nothing gets at least one cell."""
    cells = max(round(width * share), 1 if share > 0 else 0)
    return Text("█" * cells, style=color)


def _titled(
    title: str, head: Sequence[str], rows: Sequence[Sequence[Text]]
) -> list[RenderableType]:
    if not rows:
        return []
    return [Text(title, style="bold"), _table(head, rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[Text]]) -> Table:
    """Return a table; cells are Text, so nothing that a user named is read as markup."""
    table = Table(box=box.SIMPLE_HEAD, show_header=any(head), header_style="dim", pad_edge=False)
    for name in head:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
