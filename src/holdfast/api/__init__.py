"""The Python surface: the verbs that `import holdfast as hf` offers."""

from __future__ import annotations

from holdfast.api.arguments import examples_of, load_data
from holdfast.api.batches import attack, perturb
from holdfast.api.verbs import evaluate, load, report, sign, train, verify

__all__ = [
    "attack",
    "evaluate",
    "examples_of",
    "load",
    "load_data",
    "perturb",
    "report",
    "sign",
    "train",
    "verify",
]
