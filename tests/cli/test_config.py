"""Configurations: the component is its own config, and one change is one change."""

from __future__ import annotations

import pytest

from holdfast import config, recipes
from holdfast.attacks import PGD
from holdfast.components import build as build_component
from holdfast.components import describe
from holdfast.errors import ConfigError
from holdfast.models import MLP, PreActResNet18
from holdfast.spaces import L2, Linf
from holdfast.threat import Targeted, ThreatModel
from holdfast.training import SGD, TRADES, Adam, Madry


def parse(text: str, command: str = "train"):
    return config.build(command, config.parse_file(text, command, "test.yaml"))


def test_components_are_written_as_in_python():
    found = parse(
        """
        train:
          network: {type: preactresnet18, width: 16}
          threat: linf:8/255
          method: {type: trades, beta: 6}
          plan: {optimizer: {type: adam, lr: 5e-3}, epochs: 4}
        """
    )
    assert found.network == PreActResNet18(width=16)
    assert found.threat == ThreatModel(Linf(eps="8/255"))
    assert found.method == TRADES(beta=6.0)
    assert found.plan.optimizer == Adam(lr=0.005)
    assert found.plan.epochs == 4


@pytest.mark.parametrize(
    ("text", "threat"),
    [
        ("l2:0.5", ThreatModel(L2(eps=0.5))),
        ("{type: l2, eps: 1/2}", ThreatModel(L2(eps="1/2"))),
        ("{space: {type: linf, eps: 8/255}}", ThreatModel(Linf(eps="8/255"))),
        (
            "{space: {type: linf, eps: 0.1}, goal: {type: targeted, to: 3}, queries: 9}",
            ThreatModel(Linf(eps=0.1), goal=Targeted(to=3), queries=9),
        ),
    ],
)
def test_threats_have_long_and_short_forms(text, threat):
    assert parse(f"train:\n  threat: {text}\n").threat == threat


def test_a_change_reaches_into_defaults():
    section = {"threat": "linf:0.1"}
    found = config.build("train", section, ["method.attack.steps=20", "seed=3"])
    assert found.method == Madry(attack=PGD(steps=20, step_size=0.25))
    assert found.seed == 3
    assert found.threat.space.radius == pytest.approx(0.1)


def test_a_new_type_starts_from_its_own_defaults():
    found = config.build("train", {}, ["plan.optimizer.type=adam", "plan.optimizer.lr=1e-2"])
    assert found.plan.optimizer == Adam(lr=0.01)
    found = config.build("train", {"plan": {"optimizer": "sgd"}}, ["plan.optimizer.momentum=0"])
    assert found.plan.optimizer == SGD(momentum=0.0)
    found = config.build("train", {"network": "mlp"}, ["network.hidden=[8, 8]"])
    assert found.network == MLP(hidden=(8, 8))
    assert config.build("train", {}, ["threat=l2:0.5"]).threat == ThreatModel(L2(eps=0.5))
    assert config.build("train", {"device": "cpu"}, ["device="]).device is None


def test_suites_and_curves():
    found = parse(
        """
        evaluate:
          eps: [2/255, 4/255]
          suite:
            name: mine-1
            members: [{name: pgd, attack: {type: pgd, steps: 3}}]
        """,
        "evaluate",
    )
    assert found.suite.members[0].attack == PGD(steps=3)
    assert found.eps == ("2/255", "4/255")
    assert config.build("evaluate", {"eps": "0.1,2/255"}).eps == (0.1, "2/255")
    with pytest.raises(ConfigError, match="did you mean 'standard"):
        config.build("evaluate", {"suite": "standart"})


@pytest.mark.parametrize("command", ["train", "attack", "evaluate"])
def test_a_configuration_is_its_own_plain_data(command):
    section = {"threat": "linf:8/255"}
    found = config.build(command, section)
    assert build_component("config", describe(found)) == found


@pytest.mark.parametrize("name", recipes.names())
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_every_recipe_is_valid(name, command):
    text, source = recipes.read(name)
    found = config.build(command, config.parse_file(text, command, source))
    assert found.out.endswith(name)
    assert recipes.about(name).endswith(".")
