"""The charts of a report: security curves, accuracy against robustness, training."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from holdfast.reporting.history import Epoch, History
from holdfast.reporting.spelling import percent
from holdfast.reporting.svg import MARKS, Frame, Points, element, group, mark, ticks
from holdfast.reporting.view import ClaimView, Point

PERCENTS = [(value, f"{100 * value:.0f}") for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
SERIES = 6  # colors in the style sheet; with more series they repeat, the marks with them
MOST_TIPS = 500  # points of a line up to which each has words of its own
_LETTER = 6.8  # drawing units that a letter of a tick label takes


def style(index: int) -> str:
    """Return the class that colors the series of a claim."""
    return f"s{index % SERIES + 1}"


def shape(index: int) -> str:
    """Return the mark of the series of a claim, so that color is never the only difference."""
    return MARKS[index % len(MARKS)]


def key_mark(index: int) -> Markup:
    """Return the mark of a claim as a tiny drawing for legends and tables."""
    inside = mark(7, 7, shape(index), style(index), size=4.5)
    return element("svg", inside, viewBox="0 0 14 14", class_="key", aria_hidden="true")


def security_curve(claims: Sequence[tuple[int, ClaimView]], key: str) -> Markup:
    """Return robust accuracy over eps of the claims that have a curve, with 95 % bands."""
    shown = [(index, claim) for index, claim in claims if claim.curve]
    if not shown:
        return Markup("")
    end = max(point.radius for _, claim in shown for point in claim.curve)
    frame = Frame(x=(0.0, end or 1.0), y=(0.0, 1.0))
    parts = [
        frame.axes(
            _eps_ticks(frame, [point for _, claim in shown for point in claim.curve]),
            PERCENTS,
            "eps",
            "not broken, %",
        )
    ]
    for index, claim in shown:
        where, classes = [p.radius for p in claim.curve], style(index)
        lower = list(zip(where, (p.robust.low for p in claim.curve), strict=True))
        upper = list(zip(where, (p.robust.high for p in claim.curve), strict=True))
        middle = list(zip(where, (p.robust.value for p in claim.curve), strict=True))
        marks = [
            mark(frame.px(p.radius), frame.py(p.robust.value), shape(index), classes, 3, tip=tip)
            for p, tip in ((p, f"{claim.name}: {p.robust} at eps {p.eps}") for p in claim.curve)
        ]
        drawn = [frame.band(lower, upper, classes), frame.line(middle, classes), *marks]
        parts.append(group(drawn, data_series=index))
    said = "; ".join(
        f"{claim.name}: " + ", ".join(f"{percent(p.robust.value)} at {p.eps}" for p in claim.curve)
        for _, claim in shown
    )
    return frame.drawing(parts, title="Security curve", description=said, key=key)


def scatter(claims: Sequence[tuple[int, ClaimView]], key: str) -> Markup:
    """Return robust over clean accuracy with 95 % intervals; claims without a number are absent."""
    shown = [(index, claim) for index, claim in claims if claim.robust is not None]
    if len(shown) < 2:
        return Markup("")
    low = min(claim.clean.low for _, claim in shown)
    start = max(0.0, (int(low * 10) - 1) / 10)  # whole tens of percent, one more for air
    frame = Frame(x=(start, 1.0), y=(0.0, 1.0))
    x_ticks = [(value, f"{100 * value:.0f}") for value in ticks(start, 1.0)]
    parts = [
        frame.axes(x_ticks, PERCENTS, "clean accuracy, %", "not broken, %"),
        frame.line([(start, start), (1.0, 1.0)], "limit"),
    ]
    for index, claim in shown:
        assert claim.robust is not None
        clean, robust, classes = claim.clean, claim.robust, f"whisker {style(index)}"
        across = frame.line([(clean.low, robust.value), (clean.high, robust.value)], classes)
        along = frame.line([(clean.value, robust.low), (clean.value, robust.high)], classes)
        parts.append(group([across, along], data_series=index))
    for index, claim in shown:
        assert claim.robust is not None
        x, y = frame.px(claim.clean.value), frame.py(claim.robust.value)
        tip = f"{claim.name}: clean {claim.clean}, not broken {claim.robust}"
        parts.append(group([mark(x, y, shape(index), style(index), 5, tip=tip)], data_series=index))
    said = "; ".join(f"{c.name}: clean {c.clean}, not broken {c.robust}" for _, c in shown)
    return frame.drawing(parts, title="Accuracy against robustness", description=said, key=key)


def training_accuracy(history: History, key: str) -> Markup:
    """Return validation accuracies by epoch with the best and the last epoch marked."""
    lines = (("clean", "clean"), ("robust", "robust"))
    drawn = {name: _values(history.epochs, name) for name, _ in lines}
    if not any(drawn.values()):
        return Markup("")
    frame = _epoch_frame(history, (0.0, 1.0))
    parts = [frame.axes(_epoch_ticks(history), PERCENTS, "epoch", "validation accuracy, %")]
    parts += _best_and_last(frame, history)
    for name, classes in lines:
        tips = _tips(drawn[name], [f"{name} {percent(y)}" for _, y in drawn[name]])
        parts.append(frame.line(drawn[name], classes, tips))
        parts += [
            mark(frame.px(x), frame.py(y), "circle", classes, 3.5)
            for x, y in drawn[name]
            if x in (history.best, history.last)
        ]
    said = f"Best epoch {history.best}: {_figures(history.at(history.best))}; "
    said += f"last epoch {history.last}: {_figures(history.at(history.last))}"
    return frame.drawing(parts, title="Validation accuracy by epoch", description=said, key=key)


def training_loss(history: History, key: str) -> Markup:
    """Return the training loss by epoch with the best and the last epoch marked."""
    points = _values(history.epochs, "loss")
    if not points:
        return Markup("")
    top = max(value for _, value in points)
    bottom = min(0.0, *(value for _, value in points))
    frame = _epoch_frame(history, (bottom, top * 1.05 if top > bottom else bottom + 1))
    y_ticks = [(value, f"{value:g}") for value in ticks(*frame.y, about=4)]
    parts = [frame.axes(_epoch_ticks(history), y_ticks, "epoch", "training loss")]
    tips = _tips(points, [f"loss {value:.4g}" for _, value in points])
    parts += [*_best_and_last(frame, history), frame.line(points, "loss", tips)]
    said = f"From {points[0][1]:.3g} to {points[-1][1]:.3g} in {len(points)} epochs"
    return frame.drawing(parts, title="Training loss by epoch", description=said, key=key)


def _eps_ticks(frame: Frame, points: Sequence[Point]) -> list[tuple[float, str]]:
    """Return the eps as written, from the largest down, without those that would overlap."""
    kept: list[tuple[float, str]] = []
    free = float("inf")  # the drawing is free to the left of this
    for radius, eps in sorted({(point.radius, point.eps) for point in points}, reverse=True):
        half = _LETTER * len(eps) / 2
        if frame.px(radius) + half < free:
            kept.append((radius, eps))
            free = frame.px(radius) - half - _LETTER
    return kept


def _tips(points: Points, said: Sequence[str]) -> list[str]:
    """Return the words for each point of a line by epoch, none for a line of very many."""
    tips = [f"Epoch {x:.0f}: {words}" for (x, _), words in zip(points, said, strict=True)]
    return tips if len(tips) <= MOST_TIPS else []


def _values(epochs: Sequence[Epoch], name: str) -> list[tuple[float, float]]:
    found = ((line.epoch, getattr(line, name)) for line in epochs)
    return [(float(epoch), value) for epoch, value in found if value is not None]


def _epoch_frame(history: History, y: tuple[float, float]) -> Frame:
    first, last = history.epochs[0].epoch, history.epochs[-1].epoch
    return Frame(x=(float(first), float(max(last, first + 1))), y=y, height=245)


def _epoch_ticks(history: History) -> list[tuple[float, str]]:
    first, last = history.epochs[0].epoch, history.epochs[-1].epoch
    whole = [value for value in ticks(first, max(last, first + 1)) if value == int(value)]
    return [(value, f"{value:.0f}") for value in whole]


def _best_and_last(frame: Frame, history: History) -> list[Markup]:
    marked = [(history.best, "best", "best"), (history.last, "last", "last")]
    if history.best == history.last:
        marked = [(history.best, "best = last", "best")]
    low, high = frame.x
    return [
        frame.upright(epoch, text, classes, row)  # rows: the two words must not overlap
        for row, (epoch, text, classes) in enumerate(reversed(marked))
        if low <= epoch <= high
    ]


def _figures(line: Epoch | None) -> str:
    if line is None:
        return "not recorded"
    known = [(name, getattr(line, name)) for name in ("clean", "robust")]
    return ", ".join(f"{name} {percent(value)}" for name, value in known if value is not None)
