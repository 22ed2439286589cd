"""Configurations: a YAML file plus `key=value` changes, checked against one small typed schema.

A file has a section per command (`train`, `attack`, `evaluate`). Components inside are written as
everywhere else: a name, or a mapping with `type` and fields. Nothing is read or written here but
the file itself, so a mistake is found before any work starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from holdfast import components as plain
from holdfast.attacks import PGD, Attack
from holdfast.components import known, register
from holdfast.errors import ConfigError, did_you_mean
from holdfast.evaluation.suites import Suite, get_suite
from holdfast.models import Network
from holdfast.safe_yaml import parse_yaml
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel
from holdfast.training import TrainPlan
from holdfast.training.methods import Madry, Method
from holdfast.units import AT_EPS, BatchSize, Count, Number, Seed

COMMENT_KEYS = ("about",)  # sections of a file that no command reads


class Config:
    """The interface of the three configurations; subclasses are frozen dataclasses."""

    kind: ClassVar[str] = "config"


@register("config", name="train")
@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """The configuration of `holdfast train`."""

    model: str | None = None  # package.module:function
    weights: str | None = None  # file to start from
    network: Network | None = None  # or a reference network
    normalize: tuple[tuple[float, ...], tuple[float, ...]] | None = None  # (mean, std) by channel
    data: str | None = None  # name or path
    validation: float = 0.1  # fraction held out, where the data bring no validation part
    threat: ThreatModel = field(default_factory=lambda: ThreatModel(Linf(eps="8/255")))
    method: Method = field(default_factory=Madry)
    plan: TrainPlan = field(default_factory=TrainPlan)
    out: str | None = None  # folder of the run
    seed: Seed = 0
    resume: bool = False  # False: a folder that holds a run is refused
    device: str | None = None  # None: a CUDA device if there is one


@register("config", name="attack")
@dataclass(frozen=True, kw_only=True)
class AttackConfig(Config):
    """The configuration of `holdfast attack`."""

    model: str | None = None  # run folder, ONNX file or package.module:function
    weights: str | None = None
    outputs: str | None = None  # logits, probabilities or labels, where a model does not say it
    data: str | None = None  # None: the test split of the run's data
    threat: ThreatModel | None = None  # None: the run's
    attack: Attack = field(default_factory=PGD)
    n: Count | None = None  # None: all examples
    out: str | None = None  # folder for the inputs that were found; None: print only
    seed: Seed | None = None  # None: a fresh one, which is printed
    batch_size: BatchSize = 128
    device: str | None = None


@register("config", name="evaluate")
@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Config):
    """The configuration of `holdfast evaluate`."""

    model: str | None = None  # run folder, ONNX file or package.module:function
    weights: str | None = None
    outputs: str | None = None  # logits, probabilities or labels, where a model does not say it
    data: str | None = None  # None: the test split of the run's data
    threat: ThreatModel | None = None  # None: the run's
    suite: Suite | str = "standard"
    eps: tuple[Number, ...] | None = None  # several: a security curve
    n: Count | None = None  # a random subset of this size; None: all examples
    out: str | None = None  # folder of the claim
    seed: Seed = 0
    batch_size: BatchSize | None = None
    exhaustive: bool = False  # run every attack on every example, to count sole breaks
    precision: str = "float32"
    surrogate: str | None = None  # gradient attacks differentiate it instead; named like a model
    device: str | None = None


def parse_file(text: str, command: str, source: str) -> dict[str, Any]:
    """Return the section of a YAML text that belongs to `command`; empty if there is none.

    source: where the text comes from, for messages. Raises ConfigError if it is not YAML, has an
    unknown section or the same key twice.
    """
    content = parse_yaml(text, source)
    if not isinstance(content, dict):
        raise ConfigError(f"{source} must have sections such as 'train:', got {content!r:.60}")
    sections = known("config")
    for key in content:
        if key not in sections and key not in COMMENT_KEYS:
            hint = did_you_mean(str(key), sections)
            raise ConfigError(f"{source}: unknown section {key!r:.60}{hint}")
    section = content.get(command)
    if section is None:
        raise ConfigError(f"{source} has no section '{command}:' for this command")
    if not isinstance(section, dict):
        raise ConfigError(f"{source}: section '{command}' must be a mapping, got {section!r:.60}")
    return section


def build(command: str, section: Mapping[str, Any], changes: Iterable[str] = ()) -> Any:
    """Return the configuration of `command` from a section and `key=value` changes.

    Changes apply to the whole configuration, defaults included, so `method.attack.steps=20` changes
    one field of the method's default attack. Raises ConfigError naming the nearest known key.
    """
    config = _made({**section, "type": command})
    tree = plain.describe(config)
    for change in changes:
        _apply(tree, change)
    return _made(tree)


def threat_model(value: Any) -> Any:
    """Return plain data of a threat model from text such as "linf:8/255", or from plain data.

    A set alone (`{type: l2, eps: 0.5}`) stands for the untargeted white-box threat in that set.
    """
    if isinstance(value, str):
        name, found, eps = value.partition(":")
        if not found:
            raise ConfigError(f"a threat is written as set:eps, such as linf:8/255, got {value!r}")
        value = {"type": name.strip().lower(), "eps": _scalar(eps)}
    if not isinstance(value, dict):
        return value
    kind = value.get("type", "threat_model")
    if kind == "threat_model":
        return {**value, "type": kind}
    return {"type": "threat_model", "space": value}


def _normal(section: Mapping[str, Any]) -> dict[str, Any]:
    """Write the abbreviations that a file may use in full: threats, suites, the plan's type."""
    full = dict(section)
    if full.get("threat") is not None:
        full["threat"] = threat_model(full["threat"])
    if isinstance(full.get("plan"), dict):
        full["plan"] = {"type": "train", **full["plan"]}
    suite = full.get("suite")
    if isinstance(suite, str):
        get_suite(suite)
    if isinstance(suite, dict):
        members = [{"type": "member", **member} for member in suite.get("members", [])]
        full["suite"] = {"type": "suite", **suite, "members": members}
    if full.get("eps") is not None and not isinstance(full["eps"], list | tuple):
        full["eps"] = [_scalar(part) for part in str(full["eps"]).split(",")]
    return full


def _made(section: Mapping[str, Any]) -> Any:
    """Build a configuration; errors give a step size in the data's units at its eps."""
    full = _normal(section)
    threat = full.get("threat")
    space = threat.get("space") if isinstance(threat, dict) else None
    eps = space.get("eps") if isinstance(space, dict) else None
    known_eps = AT_EPS.set(eps) if isinstance(eps, str | float | int) else None
    try:
        return plain.build("config", full)
    finally:
        if known_eps is not None:
            AT_EPS.reset(known_eps)


def _apply(tree: dict[str, Any], change: str) -> None:
    path, found, text = change.partition("=")
    keys = path.strip().split(".")
    if not found or not all(keys):
        raise ConfigError(f"--set takes key=value, such as method.attack.steps=20, got {change!r}")
    node = tree
    for depth, key in enumerate(keys[:-1]):
        node = _below(node, key, ".".join(keys[: depth + 1]))
    value = _scalar(text)
    if keys[-1] == "type" and node.get("type") != value:
        node.clear()  # another component: the fields of the old one mean nothing in it
    node[keys[-1]] = value


def _below(node: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    """Return the mapping under `key`, made from a component's name or from nothing if need be."""
    child = node.get(key)
    if child is None:
        child = {}
    elif isinstance(child, str):
        child = {"type": child}
    if not isinstance(child, dict):
        raise ConfigError(f"--set {path}.…: {path} is {child!r}, it has no fields")
    node[key] = child
    return child


def _scalar(text: str) -> Any:
    return parse_yaml(text.strip(), f"{text!r}") if text.strip() else None
