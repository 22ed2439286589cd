"""Measured figures of each attack, from the result files of benchmarks/attacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from generate import BENCHMARKS, cell, page_of

from holdfast.components import known
from holdfast.threat import Knowledge

FOLDER = BENCHMARKS / "attacks"
FIRST, SPEED = "first_figures", "speed"
OPTIMALITY = {"optimality": "", "optimality_held_out": "held out"}

# Results keep the names of the day they were measured: label -> name in the registry, setting.
NOW = {
    "apgd-t": ("each_target", "around APGD"),
    "each_target(apgd)": ("each_target", "around APGD"),
    "eot(pgd)": ("eot", "around PGD"),
    "narrowing": ("multi_eps", ""),
    "chain": ("warm_start", ""),
    "to_rank": ("target_rank", ""),
    "applied": ("apply_perturbation", ""),
    "pasted": ("apply_patch", ""),
    "worst_of": ("random_search", ""),
    "quantised": ("quantized", ""),
    "radius search": ("radius_search", "around MultiEps"),
}
_NORM = re.compile(r" (L\w+)$")

Row = dict[str, Any]


class Named(NamedTuple):
    """An attack of ours as the registry calls it now, and in which setting it ran."""

    attack: str
    setting: str


def now(label: str) -> Named:
    """Return the attack that a result's label stands for: `apgd, dlr` is APGD on DLR."""
    if label in NOW:
        return Named(*NOW[label])
    name, _, setting = label.replace(", ", " ").partition(" ")
    return Named(name, setting)


def section(page: str) -> str:
    """Return the measured section of an attack's page; "" for a page of no attack."""
    shelves = [(kind, name) for kind in ("attack", "universal") for name in known(kind)]
    names = [name for kind, name in shelves if page_of(kind, name) == page]
    if not names:
        return ""
    parts, remarks = [*speed(names), *optimality(names)], list(failures(names))
    used = dict.fromkeys([FIRST, *(file for file, _ in parts)])
    first = list(defaults(names))
    if load(FIRST) and not first:
        remarks.append(f"No figure at its defaults: `{FIRST}.py` has not run it.")
    if not parts:
        remarks.insert(0, "Not measured against another library in `benchmarks/`.")
    text = ["## Measured", *first, *(text for _, text in parts), " ".join(remarks)]
    return "\n\n".join([*filter(None, text), _sources({f: load(f) for f in used if load(f)})])


@lru_cache
def load(name: str) -> Row:
    """Return a result file; {} where the benchmark has not been run."""
    file: Path = FOLDER / f"{name}.json"
    found: Row = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return found


def defaults(names: list[str]) -> Iterator[str]:
    """Yield a sentence for each attack that `first_figures` ran."""
    result = load(FIRST)
    for row in result.get("rows", []):
        if now(row["attack"]).attack in names:
            yield _at_defaults(row, result)


def _at_defaults(row: Row, result: Row) -> str:
    net = result["network"].partition(" for")[0]
    where = f"On {result['n']} digits that {net} classifies correctly"
    if row["knowledge"] == "transfer":
        where = f"On {result['n']} digits, searched on {net} and judged by {result['judge']}"
    found = f"breaks {_percent(row['success'])}"
    if row["median"] is not None:
        found += f" (median distance {row['median']:.3g})"
    spent = f"with {_passes(row)} passes and {row['ms']:g} ms an image"
    if row["attack"] in known("universal"):
        spent = f"fitted on {result['fitted_on']} others in {row['ms']:g} ms each"
    return f"**At its defaults.** {where}, `{row['settings']}` {found} in `{row['set']}`, {spent}."


def speed(names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the comparison with the same attack of other libraries."""
    result = load(SPEED)
    mine = [(_at(row), row) for row in result.get("rows", []) if row.get("per_pass") is not None]
    chosen = [pair for pair in mine if pair[0].attack in names]
    if chosen:
        gradient = chosen[0][1]["kind"] == "gradient"
        budget = f"{result['steps']} steps" if gradient else f"about {result['queries']:,} queries"
        what = "the share of images that it breaks"
        if chosen[0][1]["figure_is"] == "distance":
            what = "the median distance"
        text = (
            f"**Next to the same attack in other libraries**, {budget}, ours / theirs: the library "
            "that is fastest per pass, and one that finds more, if there is one. The result is "
            f"{what}; where *time per pass* is below 1, ours is faster. `digits`: a small CNN; "
            "`mnist_cnn_a_adv`: a published one, trained with PGD."
        )
        head = ["network and set", "other library", "images", "result", "passes", "time per pass"]
        lines = [_raced(named, row) for named, row in _fastest_and_best(chosen)]
        yield SPEED, f"{text}\n\n{_table(head, lines)}"


def failures(names: list[str]) -> Iterator[str]:
    """Yield a sentence for each comparison that ended in an error."""
    rows = [row for row in load(SPEED).get("rows", []) if row.get("error")]
    for library in sorted({row["library"] for row in rows if _at(row).attack in names}):
        yield f"In `speed.py` the one of {library} ended in an error."
    mine = [row for row in _ours("optimality") if now(row["attack"]).attack in names]
    if mine and all(row["failed"] != "0" for row in mine):
        yield "Its runs in `optimality.py` ended in an error."


def _at(row: Row) -> Named:
    label = row["attack"]
    norm = _NORM.search(label)
    name, setting = now(label[: norm.start()] if norm else label)
    return Named(name, ", ".join(filter(None, (row["network"], norm and norm[1], setting))))


def _fastest_and_best(pairs: list[tuple[Named, Row]]) -> Iterator[tuple[Named, Row]]:
    """Yield of each network and set the fastest peer, then one whose result is better by 2 %."""
    groups: dict[Named, list[Row]] = {}
    for named, row in pairs:
        groups.setdefault(named, []).append(row)
    for named, rows in groups.items():
        (fastest,) = (row for row in rows if row["fastest"])
        best = max(rows, key=_merit)
        yield named, fastest
        if _merit(best) > max(_merit(fastest), 1) + 0.02:
            yield named, best


def _merit(row: Row) -> float:
    """Return how good a peer's result is, as a share of ours on the same images."""
    ours, theirs = row["our_figure"], row["figure"]
    better, worse = (theirs, ours) if row["figure_is"] == "success" else (ours, theirs)
    return float(better / worse) if min(better, worse) > 0 else 0.0


def _raced(named: Named, row: Row) -> list[str]:
    peer = row["library"] + ", fastest" * row["fastest"] + ", one by one" * row["alone"]
    figures = (_figure(row, "our_figure"), _figure(row, "figure"))
    passes = (_passes(row, who) for who in ("our_", ""))
    return [
        named.setting,
        peer,
        str(row["images"]),
        " / ".join(figures),
        " / ".join(passes),
        f"{row['per_pass']:.2f}",
    ]


def _passes(row: Row, who: str = "") -> str:
    both = (row[f"{who}forward"], row[f"{who}backward"])
    return " + ".join(f"{count:,.0f}" if count >= 10 else f"{count:g}" for count in both)


def _figure(row: Row, key: str) -> str:
    if row[key] == -1:
        return "none"
    return _percent(row[key]) if row["figure_is"] == "success" else f"{row[key]:.3g}"


def optimality(names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield how near an attack came to the nearest known counterexamples, by norm and passes."""
    result, used = load("optimality"), []
    lines: list[list[str]] = []
    for file, images in OPTIMALITY.items():
        mine = [row for row in _ours(file) if now(row["attack"]).attack in names]
        ran = [row for row in mine if row["failed"] == "0" and row["complete"] == "True"]
        used += [file] * bool(ran)
        for norm, attack in dict.fromkeys((row["norm"], row["attack"]) for row in ran):
            rows = [row for row in ran if (row["norm"], row["attack"]) == (norm, attack)]
            where = ", ".join(filter(None, (norm, now(attack).setting, images)))
            lines.append([where, *_near(rows, result["budgets"], file)])
    if lines:
        head = ["norm", *(f"{budget:,} passes" for budget in result["budgets"])]
        text = (
            "**How near it comes** at equal passes, 1 is as near as the nearest counterexample "
            f"known: the mean over {len(result['networks'])} networks for MNIST. *Lowest*: that "
            "of these networks, at the most passes; *best other library*: the best of all of their "
            f"attacks there{_blind(names)}."
        )
        if len(used) > 1:
            text += " *Held out*: on images that no setting was chosen on."
        table = _table([*head, "lowest", "best other library"], sorted(lines, key=_by_norm))
        yield used[0], f"{text}\n\n{table}"
        yield from ((file, "") for file in used[1:])


def _blind(names: list[str]) -> str:
    seen = {known("attack")[name].knowledge for name in names if name in known("attack")}
    return "" if Knowledge.GRADIENT in seen else ", which see gradients"


def _by_norm(line: list[str]) -> tuple[int, str]:
    norm = line[0].partition(",")[0]
    return ["Linf", "L2", "L1", "L0"].index(norm), line[0]


def _summary(name: str) -> Iterator[dict[str, str]]:
    result = load(name)
    columns = result.get("summary_columns", "").split("|")
    for line in result.get("summary", []):
        yield dict(zip(columns, line.split("|"), strict=True))


def _ours(file: str) -> list[dict[str, str]]:
    return [row for row in _summary(file) if row["pool"] == "holdfast"]


def _near(rows: list[dict[str, str]], budgets: list[int], file: str) -> list[str]:
    """Return the means by budget, the minimum over networks and the best peer's mean."""
    means = {row["budget"]: _rounded(row["mean"]) for row in rows}
    most = max(rows, key=lambda row: int(row["budget"]))
    place = (most["norm"], most["budget"], "True")
    peers = [
        row
        for row in _summary(file)
        if row["pool"] != "holdfast" and (row["norm"], row["budget"], row["complete"]) == place
    ]
    best = max(peers, key=lambda row: float(row["mean"]))
    return [
        *(means.get(str(budget), "-") for budget in budgets),
        f"{_rounded(most['minimum'])} ({most['worst_network']})",
        f"{_rounded(best['mean'])} ({best['pool']} {best['attack']})",
    ]


def _rounded(share: str) -> str:
    return f"{max(float(share), 0) + 0:.2f}"  # a tiny negative number is 0.00


def _sources(files: dict[str, Row]) -> str:
    """Return a box that opens: the files of the figures, with the commands that made them."""
    lines = [
        f"    `benchmarks/attacks/{name}.json`, {file['date']}, {file['environment']['cpu']}, "
        f"torch {file['environment']['torch']}, load average {file['load_average'][0]}:\n\n"
        f"    ```text\n    {file['command']}\n    ```"
        for name, file in files.items()
    ]
    more = "    What the scripts ask, and all of their results: [Benchmarks](../benchmarks.md)."
    return "\n\n".join(['??? info "Files and commands"', *lines, more])


def _table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(cell, row))} |" for row in rows)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
