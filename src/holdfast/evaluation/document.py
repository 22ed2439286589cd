"""From the outcome of a cascade to the files of a claim."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from holdfast.claims import Accuracy, Row, Table, headline
from holdfast.evaluation.cascade import CLEAN, Example, Stage
from holdfast.evaluation.checks import black_box_stronger, unmoved
from holdfast.evaluation.setting import Setting
from holdfast.models import Finding
from holdfast.plain import describe, digest
from holdfast.rng import Rng
from holdfast.runtime import environment
from holdfast.threat import Status
from holdfast.units import Number

GALLERY = 24  # pairs
PROBES = 8  # inputs whose logits the claim stores
SHARD = 2000  # counterexamples a file


@dataclass(frozen=True)
class Outcome:
    """What the cascade found at one eps."""

    eps: Number
    examples: Sequence[Example]
    stages: Sequence[Stage]

    def counts(self) -> dict[str, int]:
        """Return the number of examples of every status."""
        return {s.value: sum(e.status is s for e in self.examples) for s in Status}


def document(
    setting: Setting, outcome: Outcome, findings: Sequence[Finding], **facts: Any
) -> dict[str, Any]:
    """Return the JSON of a claim without its digests; `facts` are taken over as they are."""
    counts = outcome.counts()
    stages = merged(outcome.stages)
    known = black_box_stronger(setting.members, stages)
    checks = [*findings, unmoved(stages), *([known] if known else [])]
    return {
        "holdfast": environment()["holdfast"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "threat": describe(setting.threat),
        "threat_digest": setting.threat.digest,
        "threat_sentence": setting.threat.sentence(),
        "suite": _suite(setting),
        "seed": setting.seed,
        "batch_size": setting.batch_size,
        "threads": torch.get_num_threads(),
        "precision": setting.precision,
        "device": str(setting.device),
        "environment": environment(),
        "model": _model(setting),
        "data": _data(setting),
        "counts": counts,
        **headline(counts),
        "per_class": _per_class(setting, outcome.examples),
        "waterfall": [_bar(stage, outcome.examples, facts["exhaustive"]) for stage in stages],
        "checks": [{**vars(check), "status": check.status.value} for check in checks],
        "cost": _cost(outcome.stages),
        **{key: value for key, value in facts.items() if key != "exhaustive"},
    }


def contents(setting: Setting, outcome: Outcome) -> dict[str, bytes]:
    """Return the files that prove a claim: table, counterexamples, gallery, probes."""
    files = {"per_example.csv": Table(_row(e) for e in outcome.examples).to_csv()}
    shown = [e for e in outcome.examples if e.x_adv is not None]
    for k in range(0, len(shown), SHARD):
        part = shown[k : k + SHARD]
        files[f"evidence-{k // SHARD:05d}.safetensors"] = save(
            {"ids": torch.tensor([e.id for e in part]), "x_adv": _stack(part)}
        )
    if broken := [e for e in shown if e.status is Status.BROKEN]:
        files["gallery.safetensors"] = _gallery(setting, broken)
    probes = setting.data.batch(setting.positions[:PROBES]).x
    files["probes.safetensors"] = save({"x": probes, "logits": logits(setting, probes)})
    return files


def merged(stages: Sequence[Stage]) -> list[Stage]:
    """Add up the stages of one name over all chunks, in the order of the suite."""
    total: dict[str, Stage] = {}
    for stage in stages:
        old = total.get(stage.name, Stage(name=stage.name))
        sums = {k: v + getattr(old, k) for k, v in vars(stage).items() if k != "name"}
        total[stage.name] = Stage(name=stage.name, **sums)
    return list(total.values())


def logits(setting: Setting, x: Tensor) -> Tensor:
    """Return (n, K) on the CPU: the judge's logits of x."""
    with torch.no_grad():
        found: Tensor = setting.judge(x.to(setting.device))
    return found.cpu()


def _suite(setting: Setting) -> dict[str, Any]:
    members = [
        {"name": m.name, "attack": describe(m.attack), "digest": digest(m.attack)}
        for m in (*setting.members, *setting.finishers())
    ]
    return {"name": setting.suite.name, "digest": digest(setting.suite), "members": members}


def _model(setting: Setting) -> dict[str, Any]:
    module = setting.judge.module
    return {
        "name": type(module).__name__,
        "digest": setting.identity["model"],
        "parameters": sum(p.numel() for p in module.parameters()),
        "range": list(setting.judge.range),
        "num_classes": setting.num_classes,
    }


def _data(setting: Setting) -> dict[str, Any]:
    data, whole = setting.data, len(setting.positions) == len(setting.data)
    return {
        "name": data.name,
        "fingerprint": data.fingerprint,
        "n": len(setting.positions),
        "available": len(data),
        "ids": "all" if whole else data.ids[setting.positions].tolist(),
        "classes": list(data.classes) if data.classes else None,
    }


def _per_class(setting: Setting, examples: Sequence[Example]) -> list[dict[str, Any]]:
    names = setting.data.classes
    found = []
    for label in sorted({e.label for e in examples}):
        mine = [e.status for e in examples if e.label == label]
        clean = Accuracy(sum(s is not Status.CLEAN_WRONG for s in mine), len(mine))
        held = Accuracy(sum(s in (Status.UNBROKEN, Status.CERTIFIED) for s in mine), len(mine))
        name = names[label] if names and label < len(names) else str(label)
        entry = {"label": label, "name": name, "n": len(mine)}
        found.append({**entry, "clean": clean.plain(), "robust": held.plain()})
    return found


def _bar(stage: Stage, examples: Sequence[Example], exhaustive: bool) -> dict[str, Any]:
    alone = None
    if exhaustive and stage.name != CLEAN:
        alone = sum(e.breakers == [stage.name] for e in examples)
    return {**vars(stage), "alone": alone}


def _cost(stages: Sequence[Stage]) -> dict[str, Any]:
    names = ("forward", "backward", "queries", "seconds")
    return {name: sum(getattr(stage, name) for stage in stages) for name in names}


def _row(e: Example) -> Row:
    return Row(id=e.id, label=e.label, status=e.status.value, size=e.size, broken_by=e.broken_by)


def _stack(examples: Sequence[Example]) -> Tensor:
    return torch.stack([e.x_adv for e in examples if e.x_adv is not None])


def _gallery(setting: Setting, broken: Sequence[Example]) -> bytes:
    """Choose pairs at random, but the same ones every time."""
    order = Rng(setting.seed, torch.tensor([e.id for e in broken])).fold("gallery").uniform()
    chosen = [broken[i] for i in sorted(order.argsort(stable=True)[:GALLERY].tolist())]
    place = {int(i): k for k, i in enumerate(setting.data.ids.tolist())}
    clean = setting.data.batch(torch.tensor([place[e.id] for e in chosen]))
    x_adv = _stack(chosen)
    return save(
        {
            "ids": clean.ids,
            "y": clean.y,
            "x": clean.x,
            "x_adv": x_adv,
            "logits": logits(setting, clean.x),
            "logits_adv": logits(setting, x_adv),
        }
    )
