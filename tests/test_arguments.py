"""Arguments against annotations: numbers of every class, natural slips, unknown names."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast import attacks
from holdfast.components import describe, digest
from holdfast.errors import ConfigError, HoldfastError, InputError
from holdfast.losses import DLR, CrossEntropy, Margin
from tiny import THREAT, files_below, own_network, some_digits

X, Y = some_digits(8)
PARAMETER = nn.Parameter(torch.zeros(1))
SGD = torch.optim.SGD([PARAMETER], lr=0.3)


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": np.int64(7), "step_size": np.float32(0.25)},
        {"steps": torch.tensor(7), "step_size": torch.tensor(0.25)},
        {"steps": 7, "step_size": Fraction(1, 4)},
    ],
    ids=["numpy", "torch", "fraction"],
)
def test_numbers_of_every_class_are_kept_as_plain_python(fields):
    made = attacks.PGD(**fields)
    assert made == attacks.PGD(steps=7, step_size=0.25)
    assert digest(made) == digest(attacks.PGD(steps=7, step_size=0.25))
    assert describe(made)["steps"] == 7
    assert type(made.steps) is int
    assert type(made.step_size) is float


def test_eps_is_kept_as_written_from_every_class():
    assert hf.Linf(eps=Fraction(8, 255)).eps == "8/255"
    assert hf.Linf(eps=np.float64(0.5)).eps == 0.5
    assert type(hf.L2(eps=torch.tensor(0.5)).eps) is float
    assert hf.Piecewise(drops=np.array([0.25, 0.5])).drops == (0.25, 0.5)
    assert hf.Piecewise(drops=[0.25, 0.5]).drops == (0.25, 0.5)


def test_names_stand_for_components_in_every_field():
    assert attacks.APGD(loss="dlr") == attacks.APGD(loss=DLR())
    assert hf.Madry(attack="apgd").attack == attacks.APGD()
    plan = hf.TrainPlan(optimizer="adam", schedule={"type": "cosine", "warmup": 0.1})
    assert (plan.optimizer, plan.schedule) == (hf.Adam(), hf.Cosine(warmup=0.1))
    assert hf.ThreatModel(hf.Linf(eps=0.1), knowledge="score").knowledge is hf.Knowledge.SCORE
    assert replace(attacks.PGD(), loss="margin").loss == Margin()
    with pytest.raises(ConfigError, match="did you mean 'dlr'"):
        attacks.APGD(loss="dlrr")


SLIPS = {
    "a set by position": (lambda: hf.Linf(8 / 255), r"takes its fields by name.*Linf\(eps=0\.03"),
    "steps by position": (lambda: attacks.PGD(40), r"write PGD\(steps=40\)"),
    "a model for an attack": (lambda: attacks.PGD(own_network(), eps=0.1), "holds no model"),
    "eps for an attack": (lambda: attacks.FGSM(eps=0.1), "belongs to the threat model"),
    "norm for an attack": (lambda: attacks.APGD(norm="Linf"), "belongs to the threat model"),
    "alpha": (lambda: attacks.PGD(alpha=0.01), "here it is called 'step_size'"),
    "n_iter": (lambda: attacks.MIFGSM(n_iter=10), "here it is called 'steps'"),
    "capitals": (lambda: attacks.APGD(loss="DLR"), "did you mean .dlr."),
    "n_restarts": (lambda: attacks.APGD(n_restarts=5), "it wraps an attack: Restarts"),
    "steps for a method": (lambda: hf.Madry(steps=3), r"to the attack: attack=PGD\(steps=10\)"),
    "alpha for a verb": (
        lambda: hf.attack(own_network(), X, Y, alpha=0.1),
        r"to the attack: attack=PGD\(step_size=0\.25\)",
    ),
    "a curve": (
        lambda: hf.evaluate(own_network(), (X, Y), curve=[0.1, 0.2]),
        "curve'; here it is called 'eps'",
    ),
    "an optimizer for a run": (
        lambda: hf.train("mlp", "digits", optimizer=hf.Adam()),
        r"to the plan: plan=TrainPlan\(optimizer=",
    ),
    "nb_iter": (lambda: attacks.FMN(nb_iter=10), "here it is called 'steps'"),
    "n_queries": (lambda: attacks.Square(n_queries=10), "here it is called 'queries'"),
    "learning_rate": (lambda: hf.SGD(learning_rate=0.1), "here it is called 'lr'"),
    "epsilon": (lambda: hf.Linf(epsilon=0.1), "here it is called 'eps'"),
    "n_epochs": (lambda: hf.TrainPlan(n_epochs=3), "here it is called 'epochs'"),
    "an eps for a set": (lambda: hf.ThreatModel(0.03), r"write Linf\(eps=0\.03\)"),
    "the class of a set": (lambda: hf.ThreatModel(hf.Linf), r"write Linf\(\), or 'linf'"),
    "a class for a goal": (lambda: hf.ThreatModel(hf.Linf(eps=0.1), goal=3), r"Targeted\(to=3\)"),
    "torch optimizer": (lambda: hf.TrainPlan(optimizer=SGD), r"write SGD\(lr=0\.3\)"),
    "its class": (lambda: hf.TrainPlan(optimizer=torch.optim.Adam), r"write Adam\(lr=0\.1\)"),
    "another one": (lambda: hf.TrainPlan(optimizer=torch.optim.LBFGS), r"one of Adam\(lr"),
    "torch loss": (lambda: attacks.PGD(loss=nn.CrossEntropyLoss()), r"write CrossEntropy\(\)"),
    "its function": (lambda: attacks.CW(loss=nn.functional.cross_entropy), "unknown key 'loss'"),
    "a loss function": (lambda: attacks.PGD(loss=nn.functional.kl_div), r"write KL\(\)"),
    "torch scheduler": (
        lambda: hf.TrainPlan(schedule=torch.optim.lr_scheduler.CosineAnnealingLR(SGD, 3)),
        r"write Cosine\(\)",
    ),
    "a number for a list": (lambda: hf.Piecewise(drops=0.5), r"must be a list, got 0.5: write"),
    "an attack for a method": (lambda: hf.evaluation.Member(name="a", attack=DLR()), "an Attack"),
    "attacks for members": (
        lambda: hf.Suite(name="own", members=[attacks.PGD()]),
        r"write Member\(name='a'",
    ),
    "a missing field": (hf.L2, r"missing field 'eps': write L2\(eps=...\)"),
    "another loss": (lambda: attacks.APGD(loss=CrossEntropy), r"write CrossEntropy\(\), or"),
    "a bool for a number": (lambda: attacks.PGD(steps=True), "pgd.steps must be int, got True"),
    "nan": (lambda: hf.ThreatModel(hf.Linf(eps=0.1), queries=math.nan), "queries must be int"),
    "an infinite rate": (lambda: hf.SGD(lr=math.inf), "sgd.lr must be finite, got inf"),
    "a size beyond a tensor's": (lambda: attacks.PGD(steps=10**30), r"below 2\*\*63"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_natural_slip_is_one_line_with_the_fix(slip):
    make, words = SLIPS[slip]
    with pytest.raises(HoldfastError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def verbs(out):
    """Every verb that takes a threat model, and how it is called."""
    model, data = own_network(), hf.data.from_tensors(X, Y)
    options = {"out": out, "quiet": True}
    room = hf.evaluation
    return {
        "train": lambda **c: hf.train(model, (X, Y), **{**options, "epochs": 1, **c}),
        "evaluate": lambda **c: hf.evaluate(model, data, **{**options, **c}),
        "attack": lambda **c: hf.attack(model, X, Y, **c),
        "fit": lambda **c: attacks.fit(attacks.UAP(), model, data, out=out, **c),
        "transfer": lambda **c: room.transfer_matrix("fgsm", sources={"a": model}, x=X, y=Y, **c),
    }


VERBS = ("train", "evaluate", "attack", "fit", "transfer")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("threat", [hf.Linf(eps=0.1), "linf:8/255", 0.03, None, hf.L2])
def test_a_set_alone_is_no_threat_model_for_any_verb(verb, threat, tmp_path):
    with pytest.raises(InputError, match=r"threat must be a ThreatModel, .*write ThreatModel\("):
        verbs(tmp_path / "out")[verb](threat=threat)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("verb", "changes", "words"),
    [
        ("evaluate", {"eps": 0.1}, r"eps must be a list of radii, got 0\.1: write \[0\.1\]"),
        ("evaluate", {"eps": "8/255"}, r"write \['8/255'\]"),
        ("evaluate", {"eps": [math.nan]}, "eps must be"),
        ("evaluate", {"exhaustive": "no"}, "exhaustive must be bool, got 'no'"),
        ("evaluate", {"exhaustive": 1}, "exhaustive must be bool, got 1"),
        ("evaluate", {"suite": attacks.PGD()}, r"write Suite\("),
        ("evaluate", {"batch_size": 10**9}, r"batch_size must be in \[1, "),
        ("evaluate", {"out": ""}, "out must name a file or a folder"),
        ("evaluate", {"epsilon": 0.1}, "here it is called 'eps'"),
        ("train", {"epochs": math.nan}, "epochs must be int or None, got nan"),
        ("train", {"epochs": "3"}, "epochs must be int or None, got '3'"),
        ("train", {"epochs": 2.5}, "epochs must be int or None, got 2.5"),
        ("train", {"seed": object()}, "seed must be a whole number in"),
        ("train", {"seed": -1}, "seed must be at least 0, got -1"),
        ("train", {"seed": 2**63}, "seed must be"),
        ("train", {"resume": "yes"}, "resume must be bool, got 'yes'"),
        ("train", {"method": attacks.PGD()}, r"write Madry\(attack=...\)"),
        ("train", {"plan": {"epochs": 3}}, r"write TrainPlan\(epochs=30\)"),
        ("train", {"n_epochs": 3}, "here it is called 'epochs'"),
        ("attack", {"seed": 0.5}, "seed must be"),
        ("attack", {"attack": attacks.PGD}, r"write PGD\(\), or 'pgd'"),
        ("fit", {"by_class": 1}, "by_class must be bool"),
        ("transfer", {"batch_size": 0}, "batch_size must be"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_written(verb, changes, words, tmp_path):
    with pytest.raises(HoldfastError, match=words) as caught:
        verbs(tmp_path / "out")[verb](**{"threat": THREAT, **changes})
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == []


def test_a_plan_is_checked_before_anything_is_written():
    for field in ("epochs", "batch_size", "ema", "ramp", "clip", "checkpoint_minutes"):
        for value in (math.nan, "x", [], True):
            with pytest.raises(ConfigError, match=f"train.{field} must be"):
                hf.TrainPlan(**{field: value})
