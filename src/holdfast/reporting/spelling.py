"""Numbers, times and components as a reader wants them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from holdfast.printable import printable, shortened

LONGEST = 2000  # characters of a text that a report shows whole
PICTURE = "data:image/png;base64,"  # prefix of every picture


def count(value: float) -> str:
    """Return a whole number with thousands apart: 12,345."""
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Return a time in the two largest units that matter: 12 ms, 3.4 s, 5 min 2 s, 2 h 5 min."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 else f"{1000 * seconds:.2f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def percent(value: float) -> str:
    """Return a fraction in 0..1 as a percentage with one decimal."""
    return f"{100 * value:.1f} %"


def spell(value: Any) -> str:
    """Return plain data as one would write it in Python: `pgd(steps=40, loss=margin)`."""
    if isinstance(value, Mapping):
        fields = {key: item for key, item in value.items() if key != "type" and item is not None}
        inside = ", ".join(f"{key}={spell(item)}" for key, item in fields.items())
        name = str(value.get("type", ""))
        return f"{name}({inside})" if inside or not name else name
    if isinstance(value, list | tuple):
        return f"[{', '.join(spell(item) for item in value)}]"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def fit_to_show(value: Any) -> Any:
    """Return a view in which every text is printable, on one line, and of bearable length.

    All three forms of a report show the same view, so this is the one place where that is done.
    """
    if isinstance(value, str):
        text = printable(value)
        return text if text.startswith(PICTURE) else shortened(text, LONGEST)
    if isinstance(value, tuple):
        return tuple(fit_to_show(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: fit_to_show(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return type(value)(**fields)
    return value
