"""Options that are short for a --set, and hints for the options of other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.errors import ConfigError

# The field that each option sets. An option that names a component goes first, so that a
# --set inside of it holds; a field goes last, into whatever component --set has chosen.
FIELDS = {
    "method": "method",
    "epochs": "plan.epochs",
    "lr": "plan.optimizer.lr",
    "steps": "attack.steps",
}
_THREAT = "write --threat linf:8/255"
ELSEWHERE = {
    "--attack": "a suite runs several, --suite quick; one alone runs by holdfast attack",
    "--eps": _THREAT,
    "--epsilon": _THREAT,
    "--norm": _THREAT,
    "--learning-rate": "here it is called --lr",
    "--iterations": "here it is called --steps",
    "--network": "here it is called --model",
    "--gpu": "write --device cuda",
    "--config": "a YAML file is the first word after the verb, without an option",
}


def changes_of(command: str, options: Mapping[str, Any], changes: Sequence[str]) -> list[str]:
    """Return the --set of a command with those that its options are short for.

    Raises ConfigError for a field that both give.
    """
    given = {_field(command, name): (name, value) for name, value in options.items()}
    given = {key: pair for key, pair in given.items() if pair[1] is not None}
    for change in changes:
        key = change.partition("=")[0].strip()
        if key in given:
            option = f"--{given[key][0].replace('_', '-')}"
            raise ConfigError(f"{option} and --set {change} give the same field: leave one out")
    first = [f"{key}={value}" for key, (name, value) in given.items() if name == "method"]
    last = [f"{key}={value}" for key, (name, value) in given.items() if name != "method"]
    return [*first, *changes, *last]


def _field(command: str, name: str) -> str:
    if name == "batch_size":
        return "plan.batch_size" if command == "train" else name
    return FIELDS[name]
