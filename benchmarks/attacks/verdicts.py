"""What speed.py makes of its rows: who is fastest, whether the target was met, and the page."""

from __future__ import annotations

from typing import Any

from common import table

SLOWEST, TIMES = 1.0, 10.0  # targets: ours over theirs; how much faster than one by one


def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mark the fastest peer of each attack, and say of what the target asks whether it was met."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("per_pass") is not None:
            groups.setdefault((row["network"], row["attack"]), []).append(row)
    for group in groups.values():
        fastest = max(group, key=lambda row: row["per_pass"])
        for row in group:
            row["fastest"] = row is fastest
            row["met"] = _met(row)
    return rows


def _met(row: dict[str, Any]) -> bool | None:
    if row["kind"] == "gradient":
        return bool(row["per_pass"] <= SLOWEST) if row["fastest"] else None
    ours, theirs = row["our_figure"], row["figure"]
    if row["figure_is"] == "distance":
        good = theirs == -1 or (ours != -1 and ours <= theirs)
    else:
        good = ours >= theirs
    fast = row["per_pass"] <= (1 / TIMES if row["alone"] else SLOWEST)
    return bool(fast and good)


def page(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    versions = ", ".join(f"{k} {v}" for k, v in result["packages"].items() if v)
    text = f"{result['question']} One thread. {versions}."
    for library, reason in result["not_run"].items():
        text += f"\n\nNot run: {library} ({reason})."
    rows = [row for row in result["rows"] if row.get("per_pass") is not None]
    for kinds, title in ((("gradient",), "Gradient attacks"), (("score", "decision"), "Queries")):
        chosen = [row for row in rows if row["kind"] in kinds]
        asked = [row for row in chosen if row["met"] is not None]
        met = sum(row["met"] for row in asked)
        text += f"\n\n## {title}\n\n{met} of {len(asked)} met.\n\n{_table(chosen)}"
    alone = [row for row in result["rows"] if row["library"] is None]
    if alone:
        text += "\n\nNobody to compare with: " + ", ".join(
            f"{row['attack']} on {row['network']}" for row in alone
        )
    broken = [row for row in result["rows"] if row.get("error")]
    if broken:
        text += "\n\n## What failed\n\n" + "\n".join(
            f"- {row['network']}, {row['attack']}, {row['library']}: {row['error']}"
            for row in broken
        )
    return text


def _table(rows: list[dict[str, Any]]) -> str:
    header = ["network", "attack", "library", "images", "ms an image", "our ms", "passes"]
    header += ["our passes", "ours over theirs", "per pass", "processor, per pass", "result is"]
    header += ["their result", "our result", "target"]
    return table(header, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> list[str]:
    met = {True: "met", False: "**lost**", None: ""}[row["met"]]
    marks = " (one by one)" * row["alone"]
    unit = "%" if row["figure_is"] == "success" else ""
    shown = [
        "none" if value == -1 else f"{100 * value:.0f}%" if unit else f"{value:.3g}"
        for value in (row["figure"], row["our_figure"])
    ]
    return [
        row["network"],
        row["attack"],
        row["library"] + marks + (" (fastest)" if row["fastest"] else ""),
        str(row["images"]),
        f"{1e3 * row['seconds']:.3g}",
        f"{1e3 * row['our_seconds']:.3g}",
        f"{row['forward']:g} + {row['backward']:g}",
        f"{row['our_forward']:g} + {row['our_backward']:g}",
        f"{row['ratio']:.2f}",
        f"{row['per_pass']:.2f}",
        f"{row['processor_per_pass']:.2f}",
        row["figure_is"],
        *shown,
        met,
    ]
