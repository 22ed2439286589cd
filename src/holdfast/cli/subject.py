"""The subject of a command: the configuration, the model and the data that its words name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from holdfast import api, config, recipes
from holdfast.components import build, known
from holdfast.data.load import BUILT_IN
from holdfast.errors import ConfigError, InputError
from holdfast.evaluation.record.given import note_given
from holdfast.folders import what_lies
from holdfast.models import Model, load_user_model, load_weights, wrap
from holdfast.storage import user_path
from holdfast.threat import ThreatModel
from holdfast.training.run_folder import read_run


def configuration(
    command: str, recipe: str | None, given: Mapping[str, Any], changes: Sequence[str]
) -> Any:
    """Return the configuration of a command: the recipe, then its options, then each --set."""
    section: dict[str, Any] = {}
    if recipe is not None:
        text, source = recipes.read(recipe)
        section = config.parse_file(text, command, source)
    options = {key: value for key, value in given.items() if value is not None}
    name = options.get("model")
    if command == "train" and name is not None:
        section.pop("network", None)
        if ":" not in name:
            options["network"] = options.pop("model")
    return config.build(command, {**section, **options}, changes)


def words_of(
    command: str, recipe: str | None, given: Mapping[str, Any], changes: Sequence[str]
) -> str:
    """Return the shell command that gives these options."""
    words = ["holdfast", command, *([recipe] if recipe else [])]
    for key, value in given.items():
        if value is True:
            words.append(f"--{key}")
        elif value not in (None, False):
            words += [f"--{key}", str(value)]
    for change in changes:
        words += ["--set", change]
    return shlex.join(words)


def network_of(settings: Any) -> Any:
    """Return the network that a run trains: a specification, or the user's own module."""
    if settings.model is None:
        if settings.network is None:
            names = ", ".join(known("network"))
            raise ConfigError(
                f"say which network to train: --model NAME ({names}), or --model "
                "package.module:function"
            )
        return settings.network
    return _users_own(settings.model, settings.weights, settings.seed)


def model_of(
    name: str | None,
    weights: str | None,
    outputs: str | None = None,
    *,
    default: str | None = None,
) -> Model:
    """Return the model of a run folder or an ONNX file, or a user's own with its weights.

    outputs: kind of the outputs of a model that does not state it. default: the same where nobody
    asked for it, so that a model may say otherwise.
    """
    if name is None:
        raise ConfigError(
            "say which model: --model FOLDER of a run, or --model package.module:function"
        )
    if is_run(name):
        if outputs is not None:
            raise ConfigError("a run folder states the outputs of its network: leave --outputs out")
        return api.load(name)
    if name.lower().endswith(".onnx"):
        return wrap(name, outputs=outputs or default)
    if ":" not in name:
        raise InputError(
            f"{name} is no run folder: it {what_lies(user_path(name, 'model'))}; give the folder "
            "that holdfast train wrote, an ONNX file, or "
            "package.module:function for a network of your own"
        )
    made = _users_own(name, weights)
    if isinstance(made, Model):
        model = wrap(made, outputs=outputs)
    else:
        model = wrap(made, outputs=outputs or default)
    if weights is None or not is_run(weights):  # which gave it as a run
        note_given(model, function=name, weights=weights, outputs=outputs)
    return model


def model_of_claim(document: Mapping[str, Any]) -> Model:
    """Return the model of the run folder that a claim names; ConfigError if it names no such one.

    A run folder holds weights and the name of a network of ours: loading it runs nothing of it.
    """
    name = _run_of_claim(document)
    if name is not None and os.path.isdir(name):  # noqa: PTH112 - False also for an impossible path
        return api.load(name)
    why = "" if name is None else f"; the claim names {name!r}, which is no run folder here"
    raise ConfigError(
        "say which model to check the claim against: --model FOLDER of a run, or --model "
        f"package.module:function{why}"
    )


def outputs_of_claim(document: Mapping[str, Any]) -> str | None:
    """Return the outputs of the model of a claim, None for logits."""
    model = document["model"].get("target") or document.get("given", {}).get("model", {})
    outputs: str | None = model.get("outputs")
    return outputs


def data_of_claim(document: Mapping[str, Any]) -> str:
    """Return the name of the set that a claim names; ConfigError unless it is a plain name."""
    data, given = document["data"], document.get("given", {}).get("data")
    if given is None and data["name"] != BUILT_IN:
        raise ConfigError(
            "say which data to check the claim against: --data NAME or PATH; the claim calls them "
            f"{data['name']!r} and says no name or path that finds them"
        )
    name = _known_set(given or BUILT_IN, "the claim")
    return name if data.get("part") in (None, "test") else f"{name}:{data['part']}"


def _run_of_claim(document: Mapping[str, Any]) -> str | None:
    """Return the folder of the model that a claim names, of the last epoch where it says so."""
    run: str | None = (document["training"] or {}).get("run")
    last = document.get("given", {}).get("model", {}).get("which") == "last"
    return f"{run}/last" if run and last else run


def is_name_of_set(name: str) -> bool:
    """Return True for the name of a set, or of a file here; False for a path or an address."""
    return re.search(r"[/\\\0:~]", name) is None


def is_run(name: str) -> bool:
    """Return True if a model's name is a folder."""
    return user_path(name, "model").is_dir()


def threat_of(
    given: ThreatModel | None, model: str | None, weights: str | None = None
) -> ThreatModel:
    """Return the threat model that was given, else that of the run."""
    if given is not None:
        return given
    run = _run_behind(model, weights)
    if run is None:
        raise ConfigError(
            "name the set of allowed changes: --threat linf:8/255, or --threat l2:0.5"
        )
    threat: ThreatModel = build("threat", read_run(run)["threat"])
    return threat


def data_of(given: str | None, model: str | None, weights: str | None = None) -> str:
    """Return the data that were given, else the name of the set on which the run was trained."""
    if given is not None:
        return given
    run = _run_behind(model, weights)
    if run is None:
        raise ConfigError("say which data: --data digits, --data cifar10.npz or --data FOLDER")
    return data_of_run(read_run(run))


def data_of_run(run: Mapping[str, Any]) -> str:
    """Return the name of the set that a run names; ConfigError unless it is a plain name."""
    given, name = run.get("given", {}).get("data"), run["data"]["train"]["name"]
    if given is None and name != BUILT_IN:
        raise ConfigError(
            f"say which data: --data NAME or PATH; the run calls them {name!r} and says no name or "
            "path that finds them"
        )
    return _known_set(str(given or BUILT_IN), "the run")


def _known_set(name: str, where: str) -> str:
    """Return the name of a set, or of a file here; ConfigError for a path or an address."""
    if not is_name_of_set(name):
        raise ConfigError(
            f"say which data: --data PATH; {where} names {name!r}, which is not the name of a set "
            "and is not opened on its word"
        )
    return name


def _run_behind(model: str | None, weights: str | None) -> Path | None:
    """Return the run folder that the words for a model name, as the model or as its weights."""
    return next((_run(name) for name in (model, weights) if name and is_run(name)), None)


def _run(name: str) -> Path:
    path = user_path(name, "model")
    return path.parent if (path / "model.json").exists() else path


def _users_own(name: str, weights: str | None, seed: int = 0) -> nn.Module:
    """Return a user's network; its weights may also lie in the folder of a run that trained it."""
    module = load_user_model(name, seed=seed)
    if weights is None:
        return module
    if is_run(weights):
        return api.load(weights, network=module)
    load_weights(module.network if isinstance(module, Model) else module, weights)
    return module
