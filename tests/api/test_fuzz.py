"""Whatever is passed works or is one line of ours: no raw error, nothing written, for everything.

Components get every wrong value in every field. Functions get values and parameters in turns, so
that each parameter meets a few values and each value every function; all of them are `slow`.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import holdfast as hf
from components import every_component
from holdfast import (
    attacks,
    certification,
    claims,
    data,
    evaluation,
    models,
    objective,
    reporting,
    testing,
    threat,
    training,
    units,
)
from holdfast.components import digest
from holdfast.errors import HoldfastError
from holdfast.rng import Rng
from public import offered, rooms
from tiny import files_below, in_short, own_network, some_digits

WRONG = {
    "None": None,
    "nan": math.nan,
    "inf": math.inf,
    "-1": -1,
    "0": 0,
    "0.5": 0.5,
    "1e300": 1e300,
    "2**200": 2**200,
    "True": True,
    "1j": 1j,
    "text": "x",
    "empty": "",
    "null byte": "a\0b",
    "bytes": b"x",
    "list": [],
    "nested": [[math.nan], "x"],
    "dict": {},
    "typed": {"type": "pgd", "steps": "x", 3: 4},
    "set": {1},
    "object": object(),
    "class": dict,
    "function": len,
    "path": Path("nowhere/x"),
    "array": np.full((2, 2), np.nan),
    "scalar": np.float32(np.nan),
    "complex tensor": torch.zeros(2, 3, dtype=torch.complex64),
    "no dimension": torch.tensor(math.inf),
    "empty tensor": torch.zeros(0),
    "module": nn.Linear(2, 2),
    "component": hf.Linf(eps=0.1),
    "fraction": Fraction(-1, 3),
}
X, Y = some_digits(4)
THREAT = hf.ThreatModel(hf.Linf(eps=0.1))


class Reached(Exception):
    """The arguments were accepted, and the work would begin."""


def outcome(call) -> str | None:
    """Run a call and return what is wrong with its outcome; None if it works or is refused."""
    try:
        call()
    except HoldfastError as error:
        one_line = str(error).strip() and "\n" not in str(error)
        return None if one_line else f"not one line: {error}"
    except Reached:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def test_every_field_of_every_component():
    failures = []
    for parameter in every_component():
        component = parameter.values[1]
        for field in dataclasses.fields(component):
            for label, value in WRONG.items():
                change = {field.name: value}
                wrong = outcome(lambda c=component, d=change: digest(dataclasses.replace(c, **d)))
                if wrong:
                    failures.append(f"{type(component).__name__}({field.name}={label}): {wrong}")
    assert not failures, f"{len(failures)}: " + "\n".join(failures[:40])


def functions() -> dict:
    """Every public function with arguments that it takes; what is left out is said below."""
    net = own_network()
    model, examples, rng = models.wrap(net), data.from_tensors(X, Y), Rng(0, torch.arange(4))
    goal = objective.Objective(THREAT, model, X, Y)
    region, found = THREAT.space.around(X), hf.attack(net, X, Y, threat=THREAT, attack="fgsm")
    search = {"attack": attacks.FGSM(), "objective": goal, "region": region, "rng": rng}
    run = {"threat": THREAT, "out": "out", "seed": 0, "device": "cpu", "quiet": True}
    told = {**run, "suite": "quick", "n": 2, "batch_size": 2, "eps": [0.1], "exhaustive": False}
    train = {**run, "resume": False, "normalize": (0.1, 0.3), "plan": hf.TrainPlan(epochs=1)}
    return {
        hf.attack: {"model": net, "x": X, "y": Y, "threat": THREAT, "attack": "fgsm", "seed": 1},
        hf.perturb: {"model": net, "x": X, "y": Y, "threat": THREAT, "attack": "fgsm", "seed": 1,
                     "ids": [0, 1, 2, 3]},
        hf.evaluate: {"model": net, "test_data": examples, "precision": "float32", **told},
        hf.train: {"model": net, "train_data": examples, "method": "madry", "epochs": 1,
                   "validation": 0.5, "validate": None, **train},
        hf.verify: {"path": "nowhere", "model": net, "data": examples, "replay": 0,
                    "quiet": True},
        hf.sign: {"path": "nowhere", "key": "nokey", "signer": "a", "passphrase": None},
        hf.load: {"path": "nowhere", "network": net},
        hf.load_data: {"name": "digits"},
        hf.report: {"claims": ["nowhere"], "out": "out.html", "names": ["a"]},
        hf.wrap: {"model": net, "normalize": (0.1, 0.3), "range": (0.0, 1.0), "outputs": "logits"},
        evaluation.get_suite: {"name": "quick"},
        evaluation.transfer_matrix: {"attack": attacks.FGSM(), "threat": THREAT, "x": X, "y": Y,
                                     "sources": {"a": net}, "seed": 0, "batch_size": 4,
                                     "quiet": True},
        training.load_run: {"path": "nowhere", "which": "best", "network": net},
        attacks.fit: {"method": attacks.UAP(), "model": net, "data": examples, "threat": THREAT,
                      "out": "out", "by_class": False, "seed": 0, "batch_size": 2, "quiet": True},
        attacks.first: search,
        attacks.last: search,
        attacks.worst: search,
        attacks.keep_worst: {"one": found, "other": found},
        attacks.keep_nearest: {"one": found, "other": found},
        data.as_examples: {"data": (X, Y), "part": "test", "num_classes": 10, "range": (0.0, 1.0)},
        data.as_training_data: {"data": (X, Y), "part": "train", "num_classes": 10},
        data.epoch_order: {"n": 3, "seed": 0, "epoch": 0},
        data.from_tensors: {"x": X, "y": Y, "ids": torch.arange(4), "name": "a",
                            "num_classes": 10, "classes": None, "range": (0.0, 1.0)},
        data.load: {"name": "digits", "validation": 0.1, "seed": 0},
        data.split: {"examples": examples, "validation": 0.5, "seed": 0},
        models.bpda: {"model": net, "twins": {}},
        models.build_network: {"spec": "mlp", "input_shape": (1, 8, 8), "num_classes": 3,
                               "seed": 0},
        models.check_input: {"x": X, "y": Y, "range": (0.0, 1.0), "num_classes": 10},
        models.check_logits: {"model": model, "x": X, "y": Y},
        models.count_classes: {"model": model, "x": X},
        models.imitate: {"step": torch.round, "twin": nn.Conv2d(1, 1, 1), "x": X, "steps": 1,
                         "lr": 0.1, "batch_size": 2, "seed": 0},
        models.inspect: {"model": model, "x": X, "y": Y},
        models.load_state: {"module": net, "state": net.state_dict(), "source": "a file"},
        models.load_user_model: {"path": "json:loads", "weights": None},
        models.load_weights: {"module": net, "path": "nowhere"},
        certification.logit_gaps: {"model": net, "low": X, "high": X, "y": Y},
        models.reject_at: {"classifier": net, "detector": nn.Flatten(), "x": X, "share": 0.1},
        models.Transformed: {"model": net, "transforms": (models.Rotation(),), "looks": 1,
                             "seed": 0},
        models.Rejecting: {"classifier": net, "detector": net, "threshold": 0.0, "scale": 1.0},
        models.MeanLogits: {"members": [net]},
        models.StraightThrough: {"step": torch.round, "twin": None},
        models.Function: {"function": len, "outputs": "logits", "num_classes": 3},
        models.Endpoint: {"url": "http://127.0.0.1:9", "outputs": "logits", "timeout": 1.0,
                          "tries": 1, "pause": 0.1, "at_once": 1, "rate": None},
        training.EMA: {"module": net, "decay": 0.5},
        claims.wilson: {"k": 1, "n": 3},
        claims.model_digest: {"model": net},
        claims.tensor_digest: {"value": X},
        claims.file_digest: {"path": Path("nowhere")},
        reporting.to_html: {"claims": [], "names": ["a"]},
        reporting.to_markdown: {"claims": [], "names": ["a"]},
        reporting.write_report: {"claims": [], "out": "out.html", "names": ["a"]},
        reporting.print_terminal: {"claims": [], "names": ["a"]},
        hf.register: {"kind": "attack", "name": "own"},
        units.number: {"value": "8/255", "name": "eps"},
        testing.check_attack: {"attack": attacks.FGSM(), "threat": THREAT},
        testing.check_space: {"space": THREAT.space},
        testing.check_method: {"method": hf.Standard(), "threat": THREAT},
        threat.radii: {"radius": 0.1, "space": THREAT.space, "x": X},
        threat.check_ball: {"space": THREAT.space, "name": "a", "widest": 1.0, "fix": "b"},
    }  # fmt: skip


# Called on every pass through a network, or given documents that its callers have checked.
INNER = {"as_logits", "query", "value_and_grad", "evaluate", "search", "smoothed", "frozen",
         "tolerance", "offered", "refusal", "headline", "read_accuracy", "write_claim", "view",
         "export_png", "too_small", "warn_if_tiny", "read_tensors", "can_check", "signer_of",
         "read_signature"}  # fmt: skip


def test_every_public_function_is_tried():
    there = {
        function
        for room, names in [(hf, hf.__all__), *((each, offered(each)) for each in rooms().values())]
        for name in names
        if inspect.isfunction(function := getattr(room, name)) and name not in INNER
    }
    tried = functions()
    assert there <= set(tried), sorted(f.__name__ for f in there - set(tried))


def test_whatever_is_returned_prints_in_a_few_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    slow = (hf.train, hf.evaluate)  # see test_printing
    returned = 0
    for function, arguments in functions().items():
        try:
            value = None if function in slow else function(**arguments)
        except HoldfastError:
            continue
        returned += value is not None
        assert in_short(value), f"{function.__qualname__}: {value!r:.200}"
    assert returned > 25


def cases() -> list:
    return [
        (function, arguments, name)
        for function, arguments in functions().items()
        for name in arguments
    ]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty working folder, in which training and evaluation end before they write."""

    def reached(*_, **__):
        raise Reached

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["holdfast.training.train"], "open_run", reached)
    monkeypatch.setattr(sys.modules["holdfast.evaluation.evaluate"].Run, "claim", reached)
    monkeypatch.setattr("holdfast.attacks.universal.fitting.store", reached)
    return tmp_path


def tried(some) -> list[str]:
    failures = []
    for (function, arguments, name), label in some:
        change = {**arguments, name: WRONG[label]}
        wrong = outcome(lambda f=function, c=change: f(**c))
        if wrong:
            failures.append(f"{function.__qualname__}({name}={label}): {wrong}")
    return failures


def test_every_parameter_of_every_function(empty):
    labels = list(WRONG)
    some = [(case, labels[(3 * i + 7 * k) % len(labels)])
            for i, case in enumerate(cases()) for k in range(8)]  # fmt: skip
    failures = tried(some)
    assert not failures, f"{len(failures)}: " + "\n".join(failures[:40])
    assert files_below(empty) == []


@pytest.mark.slow
def test_every_value_of_every_parameter(empty):
    failures = tried((case, label) for case in cases() for label in WRONG)
    assert not failures, f"{len(failures)}: " + "\n".join(failures[:60])
    assert files_below(empty) == []
