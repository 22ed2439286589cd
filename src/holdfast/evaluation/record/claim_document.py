"""The JSON of a claim, made from the outcome of a cascade."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from holdfast.claims import Accuracy, headline
from holdfast.claims.contents import SHOWN
from holdfast.claims.headline import robust
from holdfast.claims.schema import NAME, PROSE
from holdfast.components import describe, digest
from holdfast.credentials import published_command
from holdfast.evaluation.checks import above_chance, diagnose, settings
from holdfast.evaluation.run.cascade import Example, Stage
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.run.waterfall import Bar, added, waterfall
from holdfast.models import Finding
from holdfast.runtime import environment
from holdfast.threat import Space, Status, ThreatModel
from holdfast.units import number


@dataclass(frozen=True)
class Outcome:
    """The outcome of the cascade at one radius, and its cost."""

    threat: ThreatModel
    examples: Sequence[Example]
    stages: Sequence[Stage]

    def counts(self) -> dict[str, int]:
        """Return the number of examples of every status."""
        found = Counter(example.status for example in self.examples)
        return {status.value: found[status] for status in Status}


def document(
    setup: EvaluationSetup, outcomes: Sequence[Outcome], findings: Sequence[Finding], **facts: Any
) -> dict[str, Any]:
    """Return the JSON of a claim without its digests; `facts` are taken over as they are.

    outcomes: one a radius, smallest first. Where breaks at smaller radii count at the
    claim's own, waterfall and cost cover them; other radii appear in the curve alone.
    """
    own = _own(setup, outcomes)
    counted = outcomes[: outcomes.index(own) + 1] if setup.carries else [own]
    spent = [stage for o in counted for stage in o.stages]
    bars = waterfall(own.examples, spent, exhaustive=setup.exhaustive)
    counts = own.counts()
    members = setup.answered()
    doubts = settings(members, setup.threat.space)
    guess = above_chance([e.label for e in own.examples], bars[0].broken, setup.num_classes)
    diagnosed = diagnose(members, bars, counts[Status.MARGINAL])
    return {
        **subject(setup),
        "counts": counts,
        **headline(counts),
        "per_class": per_class([(e.label, e.status) for e in own.examples], setup.data.classes),
        "waterfall": [vars(bar) for bar in bars],
        "curve": _curve(outcomes, own) if len(outcomes) > 1 else [],
        "checks": [plain(check) for check in (*findings, guess, *doubts, *diagnosed)],
        "cost": cost(bars),
        **facts,
    }


def subject(setup: EvaluationSetup) -> dict[str, Any]:
    """Return the part of a claim that does not depend on the outcome."""
    return {
        **_circumstances(setup),
        "threat": describe(setup.threat),
        "threat_digest": setup.threat.digest,
        "threat_sentence": setup.threat.sentence(),
        "suite": {**about_suite(setup), "exhaustive": setup.exhaustive},
        "model": {"name": setup.judge.title[:NAME], **about_model(setup)},
        "data": {"name": setup.data.name, **about_data(setup)},
        **({"search": setup.about_twin} if setup.about_twin else {}),
        "given": {**setup.given, **({"data": setup.data.given} if setup.data.given else {})},
    }


def about_suite(setup: EvaluationSetup) -> dict[str, Any]:
    """Return the claim's description of the suite that ran."""
    members = [
        {"name": m.name, "attack": describe(m.attack), "digest": digest(m.attack)}
        for m in (*setup.members, *setup.finishers())
    ]
    suite = setup.suite
    return {
        "name": suite.name,
        "digest": digest(suite),
        "definition": describe(suite),  # the digest covers it; the members are made of it
        "members": members,
    }


def about_model(setup: EvaluationSetup) -> dict[str, Any]:
    """Return the claim's facts about the model, all of which can be checked."""
    facts = {
        "digest": setup.identity["model"],
        "parameters": sum(p.numel() for p in setup.judge.module.parameters()),
        "range": describe(setup.judge.range),
        "num_classes": setup.num_classes,
    }
    box = setup.judge.box
    if box is None:
        return facts
    target = {"outputs": box.target.outputs, "settings": box.target.settings()[:PROSE]}
    return {**facts, "target": {**target, "sealed": box.target.sealed}}


def about_data(setup: EvaluationSetup) -> dict[str, Any]:
    """Return the claim's facts about the examples, all of which can be checked."""
    data, whole = setup.data, len(setup.positions) == len(setup.data)
    return {
        "fingerprint": setup.identity["data"],
        "n": len(setup.positions),
        "available": len(data),
        "ids": "all" if whole else data.ids[setup.positions].tolist(),
        "classes": list(data.classes) if data.classes else None,
    }


def per_class(
    found: Iterable[tuple[int, str]], names: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Return clean and robust accuracy of every label that occurs; found: (label, status)."""
    by_label: dict[int, Counter[str]] = {}
    for label, status in found:
        by_label.setdefault(label, Counter())[str(status)] += 1
    entries = []
    for label, counts in sorted(by_label.items()):
        n = counts.total()
        clean = Accuracy(n - counts[Status.CLEAN_WRONG], n).plain()
        name = names[label] if names and label < len(names) else str(label)
        entry = {"label": label, "name": name, "n": n}
        entries.append({**entry, "clean": clean, "robust": robust(counts).plain()})
    return entries


def cost(bars: Sequence[Bar] | Sequence[Stage]) -> dict[str, Any]:
    """Return passes, queries and seconds over all stages."""
    names = ("forward", "backward", "queries", "seconds")
    return {name: sum(getattr(bar, name) for bar in bars) for name in names}


def plain(check: Finding) -> dict[str, str]:
    """Return a check in JSON form; the error of a user's network may be of any length."""
    texts = {"message": check.message[:PROSE], "remedy": check.remedy[:PROSE]}
    return {"id": check.id, "status": check.status.value, **texts}


def _own(setup: EvaluationSetup, outcomes: Sequence[Outcome]) -> Outcome:
    return next(outcome for outcome in outcomes if outcome.threat == setup.threat)


def shown_within(status: str, size: float | None, space: Space) -> bool:
    """Return True if an example's counterexample or tie, of this size, lies within `space`.

    But for rounding, as the audit of a point has it.
    """
    slack = 1e-6 * space.radius + 2.0**-24 * max(map(abs, space.range))
    return status in SHOWN and size is not None and size <= space.radius + slack


def _curve(outcomes: Sequence[Outcome], own: Outcome) -> list[dict[str, Any]]:
    """Return the points of the curve; each cascade started from the one before, so none rises.

    Counterexamples of the claim's own radius within a smaller one count there, too.
    """
    return [
        {
            "eps": outcome.threat.space.eps_text,
            "radius": number(outcome.threat.space.eps),
            "robust": robust(_counts_at(outcome, own)).plain(),
            "cost": cost(added(outcome.stages)),
        }
        for outcome in outcomes
    ]


def _counts_at(outcome: Outcome, own: Outcome) -> dict[str, int]:
    """Return the number of examples of every status, with those known from the own radius."""
    space, found = outcome.threat.space, Counter[Status]()
    for here, known in zip(outcome.examples, own.examples, strict=True):
        better = here.status in (Status.UNBROKEN, Status.FAILED)
        within = better and shown_within(known.status, known.size, space)
        found[known.status if within else here.status] += 1
    return {status.value: found[status] for status in Status}


def _circumstances(setup: EvaluationSetup) -> dict[str, Any]:
    facts = environment()
    return {
        "holdfast": facts["holdfast"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _as_text(published_command(sys.argv)),
        "seed": setup.seed,
        "batch_size": setup.batch_size,
        "threads": torch.get_num_threads(),
        "precision": setup.precision,
        "device": str(setup.device),
        "environment": facts,
    }


def _as_text(words: str) -> str:
    """Return words of the command line as UTF-8, and no more of them than a claim has room for."""
    return words.encode(errors="backslashreplace").decode()[:PROSE]
