"""Synthetic claim folders: every field of the schema, consistent figures, no model behind them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from holdfast.claims import Accuracy, Claim, Row, Table, headline, write_claim
from holdfast.components import describe, digest
from holdfast.evaluation import STANDARD_1

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MEMBERS = ("apgd-ce", "apgd-margin", "apgd-t", "square")
SHARES = (0.86, 0.08, 0.05, 0.01)  # who breaks first, of all that break
ENVIRONMENT = {
    "holdfast": "0.1.0",
    "python": "3.11.7",
    "torch": "2.13.0+cpu",
    "numpy": "2.2.1",
    "machine": "x86_64, 2 cores, Linux 6.1",
}


def make_claim(
    folder: Path,
    *,
    name: str = "digits-adversarial",
    n: int = 360,
    clean: float = 0.95,
    robust: float = 0.6,
    failed: int = 0,
    seed: int = 0,
    classes: tuple[str, ...] | None = DIGITS,
    available: int | None = None,
    eps: str = "0.2",
    curve: bool | list[dict[str, Any]] = True,
    trained: bool = True,
    gallery: int = 6,
    checks: list[dict[str, str]] | None = None,
    **changes: Any,
) -> Claim:
    """Write a claim of `n` points with about these accuracies and return it; `changes` override."""
    rows = _rows(n, clean, robust, failed, seed, len(classes or DIGITS), float(_fraction(eps)))
    counts = _counts(rows)
    document: dict[str, Any] = {
        "holdfast": "0.1.0",
        "created": "2026-07-01T12:00:00+00:00",
        "command": f"holdfast evaluate --model runs/{name} --data digits --set threat.eps={eps}",
        "threat": {
            "type": "threat",
            "space": {"type": "linf", "eps": eps, "range": [0.0, 1.0]},
            "goal": {"type": "untargeted"},
            "knowledge": "gradient",
            "queries": None,
        },
        "threat_digest": digest({"eps": eps}),
        "threat_sentence": f"Linf eps={eps}, inputs in 0..1, untargeted, white box (gradient)",
        "suite": _suite(),
        "seed": 0,
        "batch_size": 128,
        "threads": 2,
        "precision": "float32",
        "device": "cpu",
        "environment": ENVIRONMENT,
        "model": {
            "name": name,
            "digest": f"{seed:02x}" * 32,
            "parameters": 166_406,
            "range": [0.0, 1.0],
            "num_classes": 10,
        },
        "data": {
            "name": "digits",
            "part": "test",
            "fingerprint": "c3" * 32,
            "n": n,
            "available": available or n,
            "ids": "all" if available is None else [row.id for row in rows],
            "classes": list(classes) if classes else None,
        },
        "counts": counts,
        **headline(counts),
        "per_class": _per_class(rows, classes),
        "waterfall": _waterfall(rows),
        "curve": curve if isinstance(curve, list) else _curve(n, clean, robust, eps) * curve,
        "checks": CHECKS if checks is None else checks,
        "cost": {"forward": 1203 * n, "backward": 402 * n, "queries": 610 * n, "seconds": 41.7},
        "forecast_seconds": 48.0,
        "training": TRAINING if trained else None,
        "given": GIVEN if trained else {},
        **changes,
    }
    contents = {"per_example.csv": Table(rows).to_csv()}
    contents["evidence-00000.safetensors"] = save(
        {"ids": torch.arange(4), "x_adv": torch.rand(4, 1, 8, 8, generator=_generator(seed))}
    )
    contents["probes.safetensors"] = save(
        {"x": torch.zeros(1, 1, 8, 8), "logits": torch.zeros(1, 10)}
    )
    if gallery:
        contents["gallery.safetensors"] = _gallery(gallery, seed)
    if trained:
        contents["training.jsonl"] = _training(robust, clean)
    return write_claim(folder, document, contents)


CHECKS = [
    {"id": "zero-gradient", "status": "pass", "message": "no zero gradients", "remedy": ""},
    {
        "id": "black-box-stronger",
        "status": "pass",
        "message": "Square broke 0 of 214 points that the gradient attacks left",
        "remedy": "",
    },
    {
        "id": "loss-scale",
        "status": "warn",
        "message": "cross-entropy attacks break 1.4 points fewer when logits are scaled by 100",
        "remedy": "rely on the margin and DLR members, which do not depend on the scale",
    },
    {"id": "transfer", "status": "not-run", "message": "no sibling given", "remedy": "pass one"},
]
TRAINING = {
    "run": "runs/adversarial",
    "method": {"type": "madry", "attack": {"type": "pgd", "steps": 10, "step_size": 0.25}},
    "threat": {"type": "threat", "space": {"type": "linf", "eps": "0.2", "range": [0.0, 1.0]}},
    "metrics": "training.jsonl",
    "best_epoch": 23,
    "last_epoch": 30,
}
GIVEN = {
    "model": {"run": "runs/adversarial", "which": "best", "network": "mlp"},
    "data": "digits",
}


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _fraction(text: str) -> float:
    top, _, bottom = text.partition("/")
    return float(top) / float(bottom or 1)


def _rows(
    n: int, clean: float, robust: float, failed: int, seed: int, classes: int, radius: float
) -> list[Row]:
    draw = torch.rand(n, 3, generator=_generator(seed)).tolist()
    kept = round(n * robust)
    wrong = n - round(n * clean)
    rows = []
    for i in range(n):
        # A fixed permutation, so that statuses are spread over ids and classes.
        place = (i * 7919) % n if math.gcd(7919, n) == 1 else i
        status, by = "broken", _breaker(draw[i][0])
        if place < kept:
            status, by = "unbroken", None
        elif place < kept + wrong:
            status, by = "clean-wrong", None
        elif place < kept + wrong + failed:
            status, by = "failed", None
        size = radius * (0.9 + 0.1 * draw[i][1]) if status == "broken" else None
        rows.append(Row(i, (i + int(3 * draw[i][2])) % classes, status, size, by))
    return rows


def _breaker(u: float) -> str:
    for member, share in zip(MEMBERS, SHARES, strict=True):
        if u < share:
            return member
        u -= share
    return MEMBERS[0]


def _counts(rows: list[Row]) -> dict[str, int]:
    names = ("clean-wrong", "broken", "marginal", "failed", "unbroken")
    return {name: sum(row.status == name for row in rows) for name in names}


def _per_class(rows: list[Row], classes: tuple[str, ...] | None) -> list[dict[str, Any]]:
    found = []
    for label in range(len(classes or DIGITS)):
        mine = [row.status for row in rows if row.label == label]
        if mine:
            clean = Accuracy(sum(s != "clean-wrong" for s in mine), len(mine))
            robust = Accuracy(mine.count("unbroken"), len(mine))
            found.append(
                {
                    "label": label,
                    "name": classes[label] if classes else str(label),
                    "n": len(mine),
                    "clean": clean.plain(),
                    "robust": robust.plain(),
                }
            )
    return found


def _suite() -> dict[str, Any]:
    members = [
        {"name": name, "attack": {"type": name.split("-")[0], "steps": 100}, "digest": "b2" * 32}
        for name in MEMBERS
    ]
    about = {"name": "standard-1", "digest": digest(STANDARD_1), "definition": describe(STANDARD_1)}
    return {**about, "exhaustive": False, "members": members}


def _waterfall(rows: list[Row]) -> list[dict[str, Any]]:
    wrong = sum(row.status == "clean-wrong" for row in rows)
    failed = sum(row.status == "failed" for row in rows)
    base = {"alone": None, "marginal": 0, "failed": 0, "queries": 0}
    n = len(rows)
    stages: list[dict[str, Any]] = [
        {**base, "name": "clean", "entered": n, "broken": wrong, "forward": n, "backward": 0}
        | {"seconds": 0.1}
    ]
    left = n - wrong
    for name in MEMBERS:
        broken = sum(row.broken_by == name for row in rows)
        stages.append(
            {**base, "name": name, "entered": left, "broken": broken, "failed": failed}
            | {"forward": 101 * left, "backward": 100 * left, "seconds": 0.04 * left}
        )
        left -= broken
    return stages


def _curve(n: int, clean: float, robust: float, eps: str) -> list[dict[str, Any]]:
    radius = _fraction(eps)
    points = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5):
        value = clean * (max(robust, 1e-4) / clean) ** (share**1.3)
        at = radius * share
        written = f"{share * float(eps.partition('/')[0]):g}" + ("/255" if "/" in eps else "")
        accuracy = Accuracy(round(n * value), n).plain()
        points.append({"eps": written, "radius": at, "robust": accuracy})
    return points


def _gallery(count: int, seed: int) -> bytes:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images[:count], dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    noise = torch.rand(x.shape, generator=_generator(seed)) * 2 - 1
    x_adv = (x + 0.2 * noise.sign()).clamp(0, 1)
    y = torch.tensor(labels[:count], dtype=torch.int64)
    logits = torch.nn.functional.one_hot(y, 10).float() * 6
    wrong = torch.nn.functional.one_hot((y + 3) % 10, 10).float() * 5 + logits * 0.6
    return save(
        {"ids": y.clone(), "x": x, "x_adv": x_adv, "y": y, "logits": logits, "logits_adv": wrong}
    )


def _training(robust: float, clean: float, epochs: int = 30) -> bytes:
    lines = []
    for epoch in range(1, epochs + 1):
        progress = 1 - math.exp(-epoch / 7)
        line = {
            "epoch": epoch,
            "train_loss": round(0.5 + 1.8 * math.exp(-epoch / 6), 4),
            "train_clean": round(min(0.99, clean * progress + 0.02), 4),
            "clean": round(clean * progress, 4),
            "robust": round(robust * progress * (1 - 0.004 * max(0, epoch - 23)), 4),
            "lr": 0.1,
            "seconds": 1.2,
            "examples_per_second": 1100.0,
            "best": epoch == 23,
            "event": None,
        }
        lines.append(json.dumps(line))
    return ("\n".join(lines) + "\n").encode()
