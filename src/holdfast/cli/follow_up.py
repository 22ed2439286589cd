"""The commands that a command prints: what comes next. Each works as it is printed, here."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.claims import Claim
from holdfast.cli.subject import is_name_of_set, words_of
from holdfast.storage import shell_path

_SUBJECT = ("model", "weights", "outputs", "data", "threat")


def after_training(settings: Any, out: str) -> str:
    """Return the command that evaluates the run in `out`.

    Its data are named where the run's own word would not find them.
    """
    own = ["--model", out] if settings.model is None else ["--model", settings.model]
    own += [] if settings.model is None else ["--weights", out]
    data = [] if is_name_of_set(settings.data) else ["--data", settings.data]
    return shlex.join(["holdfast", "evaluate", *own, *data, "--out", _claim_of(out)])


def after_attack(given: Mapping[str, Any], changes: Sequence[str]) -> str:
    """Return the command that evaluates the same model, with these options of `attack`."""
    words = {key: given.get(key) for key in _SUBJECT}
    named = given["weights"] or given["model"]
    kept = [text for text in changes if text.split("=")[0].split(".")[0].strip() in _SUBJECT]
    return words_of("evaluate", None, {**words, "out": _claim_of(named)}, kept)


def after_evaluation(claim: Claim) -> str:
    """Return the command that reports a claim."""
    return f"holdfast report {shell_path(claim.folder)} -o report.html"


def _claim_of(model: str) -> str:
    """Return the folder for a claim on a model: named like its run, its file or its function."""
    path = Path(model.rpartition(":")[2])
    return f"claims/{path.stem or path.resolve().name or 'a'}"
