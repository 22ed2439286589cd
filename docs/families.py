"""Tables of attacks by family, of the capabilities of sets, and the navigation of attacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from generate import BENCHMARKS, DOCS, cell, page_of, relative
from measured import now

from holdfast.components import known
from holdfast.reference import example, summary
from holdfast.spaces.catalog import sets_with
from holdfast.threat import region

PACKAGE = "holdfast.attacks"
INDEX = "attacks/index.md"
# The folders of attacks, as the navigation and the tables call them, in this order.
FAMILIES = {
    "gradient": "Gradient",
    "minimum_norm": "Minimum norm",
    "score_based": "Score based",
    "decision_based": "Decision based",
    "transfer": "Transfer",
    "universal": "Universal",
    "wrappers": "Wrappers",
}
OPTIMALITY = BENCHMARKS / "attacks" / "optimality.json"
COLUMNS = ("knowledge", "looks for", "works in", "passes per example", "measured optimality")
SAID = {
    "knowledge": {
        "gradient": "They see gradients.",
        "score": "They see scores and no gradient.",
        "decision": "They see labels alone.",
        "transfer": "They ask the attacked model nothing while they search.",
    },
    "looks for": {
        "worst": "They look for the worst point within the radius.",
        "nearest": "They look for the nearest counterexample at any distance.",
    },
}
FEW = 3  # sets that are named as exceptions, rather than all the others as members


def attacks(source: str = "index.md") -> str:
    """Return a heading and a table for each family of attacks, as the navigation lists them.

    What all of a family share is said once above its table.
    """
    measured, parts = optimality(), []
    for family, names in members().items():
        parts += [f"## {FAMILIES[family]}", "", *_family(names, measured, source), ""]
    return "\n".join(parts)


def members() -> dict[str, list[str]]:
    """Return family -> its attacks: those of one folder of `holdfast.attacks`."""
    found: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for name, cls in known("attack").items():
        if cls.__module__.startswith(f"{PACKAGE}."):
            found[family_of(cls)].append(name)
    return found


def family_of(cls: type) -> str:
    """Return the folder of `holdfast.attacks` in which an attack lies."""
    return cls.__module__.removeprefix(f"{PACKAGE}.").partition(".")[0]


def navigation(nav: list[Any]) -> list[Any]:
    """Return the navigation with all pages of attacks in its section `Attacks`, by family.

    A page that is called as its family and is no attack's comes first.
    """
    section: list[Any] = [INDEX]
    for family, names in members().items():
        opening = f"attacks/{family.replace('_', '-')}.md"
        pages = sorted({page_of("attack", name) for name in names}, key=lambda page: page[:-3])
        opens = [opening] if (DOCS / opening).exists() else []
        section.append({FAMILIES[family]: [*opens, *pages]})
    return [{"Attacks": section} if part == {"Attacks": INDEX} else part for part in nav]


def ours(source: str = "index.md") -> str:
    """Return the table of the attacks that no paper describes, with a published baseline."""
    rows = ["| attack | what it is | published baseline |", "|---|---|---|"]
    for name, cls in known("attack").items():
        if cls.baseline:
            link = f"[`{name}`]({relative(page_of('attack', name), source)})"
            rows.append(f"| {link} | {cell(summary(cls))} | {_linked(cls.baseline, source)} |")
    return "\n".join(rows)


def marked(text: str, page: str) -> str:
    """Return a page with a box below its title if its attack is ours alone."""
    found = [cls for name, cls in known("attack").items() if page_of("attack", name) == page]
    baseline = next((cls.baseline for cls in found if cls.baseline), "")
    if not baseline:
        return text
    title, _, rest = text.partition("\n")
    box = (
        '!!! note "Ours alone"\n\n    No paper describes this attack as it stands here. For a '
        f"published baseline take {_linked(baseline, page)}."
    )
    return f"{title}\n\n{box}\n{rest}"


def _linked(text: str, source: str) -> str:
    """Return text in which the class of an attack is a link to its page."""
    pages = {cls.__name__: page_of("attack", name) for name, cls in known("attack").items()}

    def link(found: re.Match[str]) -> str:
        word = found[0]
        return f"[{word}]({relative(pages[word], source)})" if word in pages else word

    return re.sub(r"\w+", link, text)


def _family(names: list[str], measured: dict[str, str], source: str) -> list[str]:
    rows = {name: _facts(name, measured) for name in names}
    shared = {
        column: values.pop()
        for column in COLUMNS[:2]
        if len(values := {row[column] for row in rows.values()}) == 1
    }
    idle = {column for column in COLUMNS if all(row[column] == "-" for row in rows.values())}
    columns = [column for column in COLUMNS if column not in shared and column not in idle]
    lines = [" ".join(SAID[column][value] for column, value in shared.items())]
    lines += ["", f"| {' | '.join(['attack', 'what it is', *columns])} |"]
    lines += ["|---" * (len(columns) + 2) + "|"]
    for name, row in rows.items():
        link = f"[`{name}`]({relative(page_of('attack', name), source)})"
        link += " *ours*" if known("attack")[name].baseline else ""
        cells = [link, cell(summary(known("attack")[name])), *(row[column] for column in columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _facts(name: str, measured: dict[str, str]) -> dict[str, str]:
    attack = example(known("attack")[name])
    demands = attack.demands()
    aim = "nearest" if demands.nearest else "worst"
    facts = (demands.knowledge, aim, works_in(demands.needs), attack.cost())
    return dict(zip(COLUMNS, (*map(str, facts), measured.get(name, "-")), strict=True))


def works_in(needs: tuple[Any, ...]) -> str:
    """Return the sets that can do what an attack needs, or the few that cannot."""
    fit = sets_with(needs)
    rest = [name for name in sets_with(()) if name not in fit]
    if not rest:
        return "any set"
    return f"all but {', '.join(rest)}" if len(rest) <= FEW else ", ".join(fit)


def capabilities() -> str:
    """Return the table of capabilities: name, meaning, the spaces that offer it."""
    rows = ["| capability | what it says | offered by |", "|---|---|---|"]
    for name, meaning, need in every_capability():
        rows.append(f"| `{name}` | {cell(meaning)} | {works_in((need,))} |")
    return "\n".join(rows)


def every_capability() -> Iterator[tuple[str, str, Any]]:
    """Yield name, meaning and the need itself of each capability of a set."""
    for trait in region.Trait:
        yield f"Trait.{trait.name}", trait.value, trait
    for name, value in vars(region).items():
        own = isinstance(value, type) and value.__module__ == region.__name__
        if own and value is not region.Region and getattr(value, "_is_protocol", False):
            yield name, summary(value), value


def optimality() -> dict[str, str]:
    """Return attack -> its mean optimality over the networks, by norm, with the budget of passes.

    Of each norm that budget which is the largest that ran on all networks, and raised on none.
    """
    if not OPTIMALITY.exists():
        return {}
    result = json.loads(OPTIMALITY.read_text("utf-8"))
    columns = result["summary_columns"].split("|")
    largest: dict[tuple[str, str], tuple[int, float]] = {}
    for line in result["summary"]:
        row = dict(zip(columns, line.split("|"), strict=True))
        ran = row["complete"] == "True" and row.get("failed", "0") == "0"
        named = now(row["attack"])
        if row["pool"] == "holdfast" and ran and named.setting in ("", "margin"):  # the default
            key, found = (named.attack, row["norm"]), (int(row["budget"]), float(row["mean"]))
            largest[key] = max(largest.get(key, found), found)
    texts: dict[str, list[str]] = {}
    for (name, norm), (budget, mean) in sorted(largest.items()):
        text = f"{norm} {mean:.2f} ({budget})".replace(" ", "\N{NO-BREAK SPACE}")
        texts.setdefault(name, []).append(text)
    return {name: ", ".join(parts) for name, parts in texts.items()}
