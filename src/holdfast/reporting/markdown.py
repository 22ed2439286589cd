"""The report as Markdown: the same content as tables, for a README or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from holdfast.arguments import checked
from holdfast.claims import Accuracy, Claim
from holdfast.reporting.facts import Facts
from holdfast.reporting.history import Epoch
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


@checked
def to_markdown(claims: Sequence[Claim], names: Sequence[str] | None = None) -> str:
    """Return the report of some claims as Markdown text.

    names: names of the models, one for each claim; by default those that their authors gave.
    Raises InputError if there is no claim, or if the names are not one for each or repeat.
    """
    report = view(claims, names)
    parts = [f"# {_safe(report.title)}"]
    if report.conclusion:
        parts.append(f"**{_safe(' '.join(report.conclusion))}**")
    parts += [_overview(report), *_differences(report)]
    for claim in report.claims:
        parts += _claim(claim)
    return "\n\n".join(part for part in parts if part) + "\n"


def _overview(report: Report) -> str:
    head = (
        f"Model, {report.names_of}",
        "Digest",
        "Clean accuracy",
        "Not broken (upper bound)",
        "Checks",
        "Within",
        "n",
    )
    rows = [
        (
            f"{c.name} (its author calls it {c.author_name})" if c.author_name else c.name,
            c.model,
            str(c.clean),
            _robust(c),
            f"{c.opinion} {'; '.join(words for _, words in c.tally)}",
            c.within,
            count(c.n),
        )
        for c in report.claims
    ]
    return _table(head, rows)


def _differences(report: Report) -> list[str]:
    rows = [
        (
            f"{c.names[0]} over {c.names[1]}",
            str(c.robust),
            c.verdict,
            str(c.clean),
        )
        for c in report.comparisons
    ]
    if not rows:
        return []
    head = ("Pair", "Not broken", "Verdict", "Clean accuracy")
    return ["## Differences", _table(head, rows), report.about_comparisons]


def _claim(claim: ClaimView) -> list[str]:
    classes = [(r.name, count(r.n), str(r.clean), _or_withheld(r.robust)) for r in claim.classes]
    points = [(p.eps, str(p.robust)) for p in claim.curve]
    parts = [f"## {_safe(claim.name)}", f"> {_safe(claim.sentence)}"]
    parts += [f"### {CHECKED}", ABOUT_CHECKED]
    parts += _titled("Security curve", _table(("eps", "Not broken"), points))
    parts += _titled("By class", _table(("Class", "n", "Clean", "Not broken"), classes))
    parts += _titled("Counterexamples", _gallery(claim))
    parts += _titled(
        "Checks", _table(("Check", "Status"), [(c.id, c.status) for c in claim.checks])
    )
    parts += _titled("What was evaluated", _facts(claim.subject))
    parts += _titled("Threat model", _facts(claim.threat))
    parts += _titled("Attacks", _facts(claim.attacks))
    parts += _titled("Digests", _facts(claim.digests))
    parts += ["#### Check it yourself", _code(claim.recheck.text), _safe(claim.recheck.note)]
    parts += [f"### {STATED}", ABOUT_STATED, _facts(claim.stated)]
    parts += _titled("Attack waterfall", _waterfall(claim))
    words = [(c.id, c.message, c.remedy) for c in claim.checks]
    parts += _titled("What the checks say", _table(("Check", "Finding", "What to do"), words))
    parts += _titled("Cost", _table(("", "Total", "Per point"), claim.cost))
    parts += _titled("Training", _training(claim))
    parts += _titled("Environment", _facts(claim.environment))
    parts += ["#### Evaluated with", _code(claim.evaluated_with)]
    return [part for part in parts if part]


def _waterfall(claim: ClaimView) -> str:
    rows = [
        (s.name, count(s.entered), count(s.broken), count(s.left), s.passes, s.seconds)
        for s in claim.waterfall
    ]
    table = _table(("Stage", "Entered", "Broke", "Left", "Passes", "Time"), rows)
    idle = _safe(nothing_left(claim.idle))
    return "\n\n".join(part for part in (ABOUT_WATERFALL, table, idle) if part)


def _gallery(claim: ClaimView) -> str:
    rows = [
        (
            count(pair.id),
            pair.label,
            _answer(pair.before, pair.before_confidence),
            _answer(pair.after, pair.after_confidence),
            pair.attack,
            f"{pair.largest_change:.3g}",
        )
        for pair in claim.gallery
    ]
    return _table(("Id", "Label", "Clean", "Adversarial", "Broken by", "Largest change"), rows)


def _training(claim: ClaimView) -> str:
    run = claim.training
    if run is None:
        return ""
    marked = (("best", run.best), ("last", run.last))
    rows = [(name, str(epoch), *_epoch(run.at(epoch))) for name, epoch in marked]
    table = _table(("", "Epoch", "Clean (validation)", "Robust (validation)"), rows)
    events = [f"- epoch {e.epoch}: {_safe(e.event)}" for e in run.epochs if e.event]
    method = _facts((("Run", run.run), ("Method", run.method), ("Within", run.trained_within)))
    return "\n\n".join(part for part in (method, table, "\n".join(events)) if part)


def _epoch(line: Epoch | None) -> tuple[str, str]:
    figures = (line.clean, line.robust) if line else (None, None)
    clean, robust = ("not recorded" if value is None else percent(value) for value in figures)
    return clean, robust


def _answer(name: str, confidence: float | None) -> str:
    return name if confidence is None else f"{name} ({percent(confidence)})"


def _robust(claim: ClaimView) -> str:
    return str(claim.robust) if claim.robust else f"{claim.verdict}: at most {claim.most}"


def _or_withheld(accuracy: Accuracy | None) -> str:
    return "withheld" if accuracy is None else str(accuracy)


def _titled(title: str, body: str) -> list[str]:
    return [f"#### {title}", body] if body else []


def _facts(rows: Facts) -> str:
    return _table(("", ""), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, "" if it would have no rows."""
    lines = ["| " + " | ".join(_safe(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    top = "| " + " | ".join(head) + " |"
    return "\n".join([top, "|" + " --- |" * len(head), *lines])


def _code(text: str) -> str:
    """Return a code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _safe(text: str) -> str:
    """Escape Markdown and HTML in a user's text; keep it on one line."""
    text = re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))
    return text.replace("&", "&amp;")
