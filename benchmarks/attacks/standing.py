"""Who comes nearest: mean and minimum over networks, ours against the peers' best, and the page."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from common import table

NAMES = {0.0: "L0", 1.0: "L1", 2.0: "L2", math.inf: "Linf"}
Row = dict[str, Any]


def flat(rows: list[Row]) -> tuple[str, list[str]]:
    """Return columns and rows as one line each: a result file of thousands of rows stays small."""
    columns = list(rows[0]) if rows else []
    return "|".join(columns), ["|".join(str(row[key]) for key in columns) for row in rows]


def summarize(rows: list[Row], networks: list[str]) -> list[Row]:
    """Return mean and minimum over the networks of each attack that ran on all of them."""
    groups: dict[tuple[str, int, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["norm"], row["budget"], row["pool"], row["attack"]), []).append(row)
    found = []
    for (norm, budget, pool, attack), group in groups.items():
        scores = [row["xi"] for row in group]
        found.append(
            {
                "norm": norm,
                "budget": budget,
                "pool": pool,
                "attack": attack,
                "networks": len(group),
                "complete": len(group) == len(networks),
                "mean": round(float(np.mean(scores)), 4),
                "minimum": round(float(np.min(scores)), 4),
                "worst_network": min(group, key=lambda row: row["xi"])["network"],
                "mean_attackbench": round(float(np.mean([r["xi_attackbench"] for r in group])), 4),
                "mean_returned": round(float(np.mean([r["xi_returned"] for r in group])), 4),
                "success": round(float(np.mean([r["success"] for r in group])), 4),
                "seconds": round(sum(r["processor_seconds"] for r in group), 1),
                "failed": sum("failed" in r["error"] for r in group),
            }
        )
    return sorted(found, key=lambda s: (s["norm"], s["budget"], -s["mean"]))


def compare(summary: list[Row], budgets: list[int]) -> list[Row]:
    """Return, for every norm and pair of budgets that the target names, who is ahead."""
    found = []
    pairs = [*((budget, budget) for budget in budgets), (600, 2000)]
    for norm in NAMES.values():
        for mine, theirs in pairs:
            for figure in ("mean", "minimum"):
                us = _best(summary, norm, mine, figure, ours=True)
                them = _best(summary, norm, theirs, figure, ours=False)
                waiting = [
                    row
                    for row in summary
                    if (row["norm"], row["budget"]) == (norm, theirs)
                    and row["pool"] != "holdfast"
                    and not row["complete"]
                ]
                if us and them and not waiting:  # an attack under way may be the peers' best
                    found.append(_duel(us, them, figure))
    return found


def _best(summary: list[Row], norm: str, budget: int, figure: str, *, ours: bool) -> Row | None:
    rows = [
        row
        for row in summary
        if row["norm"] == norm
        and row["budget"] == budget
        and row["complete"]
        and (row["pool"] == "holdfast") is ours
    ]
    return max(rows, key=lambda row: row[figure], default=None)


def _duel(us: Row, them: Row, figure: str) -> Row:
    return {
        "norm": us["norm"],
        "figure": figure,
        "our_budget": us["budget"],
        "their_budget": them["budget"],
        "ours": us["attack"],
        "our_xi": us[figure],
        "our_worst_network": us["worst_network"],
        "theirs": f"{them['pool']} {them['attack']}",
        "their_xi": them[figure],
        "met": us[figure] >= them[figure],
    }


def page(result: dict[str, Any]) -> str:
    """Return the result as Markdown."""
    after = f" after the first {result['after']}" if result["after"] else ""
    text = (
        f"{result['question']} Optimality xi (1 is the best known), {result['n']} images{after} of "
        f"each of {len(result['networks'])} networks; {result['done']} of {result['planned']} runs "
        "are done. An attack enters the comparison of a norm and budget once it has run on all of "
        "them."
    )
    for library, reason in result["not_run"].items():
        text += f"\n\nNot run: {library} ({reason})."
    duels = result["comparison"]
    won = sum(duel["met"] for duel in duels)
    text += f"\n\n## Ours against the peers' best\n\n{won} of {len(duels)} comparisons met."
    header = ["norm", "over networks", "our budget", "their budget", "ours", "xi", "theirs", "xi"]
    lines = [
        [
            *(duel[key] for key in ("norm", "figure", "our_budget", "their_budget", "ours")),
            f"{duel['our_xi']:.3f}",
            duel["theirs"],
            f"{duel['their_xi']:.3f}",
            "met" if duel["met"] else "**lost**",
        ]
        for duel in duels
    ]
    text += "\n\n" + table([*header, "target"], lines) + "\n\n" + in_words(duels)
    text += "\n\n## Every attack\n\nSuccess: counterexamples at any distance. Returned: xi of what "
    text += (
        "the attack gave back, not of all that it showed the network. Seconds: of the processor, "
    )
    text += "all networks together. Failed: networks on which it raised an error."
    for norm in NAMES.values():
        for budget in result["budgets"]:
            text += _section(result["summary"], norm, budget)
    failures = sorted(
        {
            f"{row['pool']} {row['attack']}, {row['norm']}: {row['error']}"
            for row in result["rows"]
            if row["error"]
        }
    )
    if failures:
        text += "\n\n## What was stopped or failed\n\n" + "\n".join(
            f"- {line}" for line in failures
        )
    return text


def in_words(duels: list[Row]) -> str:
    """Return the comparisons that were lost, a line each."""
    lines = [
        f"- {duel['norm']}, {duel['figure']} over networks, {duel['our_budget']} passes against "
        f"{duel['their_budget']}: {duel['theirs']} {duel['their_xi']:.3f}, our {duel['ours']} "
        f"{duel['our_xi']:.3f}, lowest on *{duel['our_worst_network']}*."
        for duel in duels
        if not duel["met"]
    ]
    if not duels:
        return "Nothing to compare yet."
    return "\n".join(["Lost:", "", *lines]) if lines else "None lost."


def _section(summary: list[Row], norm: str, budget: int) -> str:
    rows = [row for row in summary if row["norm"] == norm and row["budget"] == budget]
    if not rows:
        return ""
    header = ["library", "attack", "mean xi", "minimum", "on", "AttackBench's form", "returned"]
    header += ["success, %", "seconds", "networks", "failed"]
    lines = [
        [
            row["pool"],
            row["attack"],
            f"{row['mean']:.3f}",
            f"{row['minimum']:.3f}",
            row["worst_network"],
            f"{row['mean_attackbench']:.3f}",
            f"{row['mean_returned']:.3f}",
            f"{100 * row['success']:.1f}",
            f"{row['seconds']:.1f}",
            row["networks"],
            row["failed"] or "",
        ]
        for row in rows
    ]
    return f"\n\n### {norm}, {budget} passes\n\n{table(header, lines)}"
