"""A small kit for line charts as inline SVG: a frame with scales, axes, lines, bands, marks.

Colors come from the style sheet by class name, so one drawing serves light, dark and print. Charts
are drawn narrow and scaled up, so that their text stays readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Points = Sequence[tuple[float, float]]
MARKS = ("circle", "square", "triangle", "diamond", "down", "cross")


def element(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; children that are not markup and all attributes are escaped.

    An underscore in an attribute's name stands for a hyphen, `class_` for `class`.
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    text = "".join(f' {key}="{escape(_short(value))}"' for key, value in given.items())
    inside = Markup("").join(escape(child) for child in children)
    return Markup(f"<{name}{text}>{inside}</{name}>")  # noqa: S704 - every part is escaped above


def group(parts: Sequence[str], **attributes: object) -> Markup:
    """Return the parts in one <g>."""
    return element("g", *parts, **attributes)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The plotting area and its scales; x and y are (low, high) in the units of the data."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = 400
    height: float = 270
    left: float = 40
    right: float = 20
    top: float = 28
    bottom: float = 42

    def px(self, value: float) -> float:
        """Return the horizontal position of a value."""
        return self.left + _share(value, self.x) * (self.width - self.left - self.right)

    def py(self, value: float) -> float:
        """Return the vertical position of a value."""
        below = self.height - self.bottom
        return below - _share(value, self.y) * (below - self.top)

    def drawing(self, parts: Sequence[str], *, title: str, description: str, key: str) -> Markup:
        """Return the whole <svg>, labeled for those who cannot see it; `key` must be unique."""
        return element(
            "svg",
            element("title", title, id=f"{key}-title"),
            element("desc", description, id=f"{key}-desc"),
            *parts,
            viewBox=f"0 0 {_short(self.width)} {_short(self.height)}",
            role="img",
            aria_labelledby=f"{key}-title {key}-desc",
            class_="chart",
        )

    def axes(
        self,
        x_ticks: Sequence[tuple[float, str]],
        y_ticks: Sequence[tuple[float, str]],
        x_label: str,
        y_label: str,
    ) -> Markup:
        """Return grid lines, tick labels and the names of the axes (y's stands on top)."""
        right, below = self.width - self.right, self.height - self.bottom
        parts = []
        for value, text in y_ticks:
            at = self.py(value)
            parts.append(element("line", x1=self.left, x2=right, y1=at, y2=at, class_="grid"))
            parts.append(element("text", text, x=self.left - 7, y=at + 4, class_="tick end"))
        parts.append(element("line", x1=self.left, x2=right, y1=below, y2=below, class_="axis"))
        for value, text in x_ticks:
            at = self.px(value)
            parts.append(element("line", x1=at, x2=at, y1=below, y2=below + 4, class_="axis"))
            parts.append(element("text", text, x=at, y=below + 17, class_="tick middle"))
        parts.append(element("text", x_label, x=right, y=self.height - 6, class_="name end"))
        parts.append(element("text", y_label, x=0, y=self.top - 15, class_="name"))
        return group(parts)

    def line(self, points: Points, classes: str, tips: Sequence[str] = ()) -> Markup:
        """Return a line through the points; tips: the words for each point, without bars."""
        path = " ".join(f"{self.px(x):.1f},{self.py(y):.1f}" for x, y in points)
        words = {"data_tips": "|".join(tips)} if tips else {}
        return element("polyline", points=path, class_=f"line {classes}", **words)

    def band(self, lower: Points, upper: Points, classes: str) -> Markup:
        """Return the area between two lines."""
        around = [*upper, *reversed(lower)]
        path = " ".join(f"{self.px(x):.1f},{self.py(y):.1f}" for x, y in around)
        return element("polygon", points=path, class_=f"band {classes}")

    def upright(self, x: float, text: str, classes: str, row: int = 0) -> Markup:
        """Return a vertical line with a word beside it, so many rows above the axis."""
        at, below = self.px(x), self.height - self.bottom
        side, gap = ("end", -5) if at > self.width / 2 else ("start", 5)
        line = element("line", x1=at, x2=at, y1=self.top, y2=below, class_=f"upright {classes}")
        return group(
            [line, element("text", text, x=at + gap, y=below - 8 - 14 * row, class_=f"name {side}")]
        )


def mark(
    x: float, y: float, shape: str, classes: str, size: float = 4, *, tip: str | None = None
) -> Markup:
    """Return a mark of one of MARKS, centered at x, y in drawing units; tip: its value in words."""
    words = {"class_": f"mark {classes}"} | ({} if tip is None else {"data_tip": tip})
    if shape == "circle":
        return element("circle", cx=x, cy=y, r=size, **words)
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "triangle": ((0, -1.2), (1.2, 0.9), (-1.2, 0.9)),
        "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
        "down": ((0, 1.2), (1.2, -0.9), (-1.2, -0.9)),
        "cross": (
            *((-1.3, -0.5), (-0.5, -0.5), (-0.5, -1.3), (0.5, -1.3), (0.5, -0.5), (1.3, -0.5)),
            *((1.3, 0.5), (0.5, 0.5), (0.5, 1.3), (-0.5, 1.3), (-0.5, 0.5), (-1.3, 0.5)),
        ),
    }[shape]
    path = " ".join(f"{x + size * a:.1f},{y + size * b:.1f}" for a, b in corners)
    return element("polygon", points=path, **words)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values between two numbers, `about` so many."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    unit: float = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 2.5, 5, 10) if unit * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (value - low) / (high - low) if high > low else 0.5


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
