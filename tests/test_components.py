"""A component is its own configuration: there and back, with errors that name the nearest key."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum

import pytest

from components import every_component
from holdfast.attacks import APGD, PGD, EachTarget, Gaussian, Restarts
from holdfast.components import build, canonical, describe, digest, register
from holdfast.errors import ConfigError, InputError
from holdfast.losses import DLR
from holdfast.spaces import L2, Linf
from holdfast.threat import Knowledge, Targeted, ThreatModel


@pytest.mark.parametrize(("kind", "component"), every_component())
def test_every_registered_component_goes_there_and_back(kind, component):
    plain = describe(component)
    there = json.loads(json.dumps(plain))
    back = build(kind, there)
    assert back == component
    assert type(back) is type(component)
    assert describe(back) == plain
    assert digest(back) == digest(component)


def test_nested_components():
    attack = Restarts(attack=EachTarget(attack=APGD(loss=DLR()), top=3), restarts=2)
    assert build("attack", describe(attack)) == attack
    assert describe(attack)["attack"]["attack"]["loss"] == {"type": "dlr"}
    pgd = build("attack", {"type": "pgd", "start": {"type": "gaussian", "std": 1}, "loss": "dlr"})
    assert pgd == PGD(start=Gaussian(std=1.0), loss=DLR())
    assert build("attack", pgd) is pgd
    assert build("attack", "pgd") == PGD()


def test_a_threat_model():
    threat = ThreatModel(L2(eps="1/2", range=(-1.0, 1.0)), goal=Targeted(to=3), queries=10)
    assert build("threat", describe(threat)) == threat
    assert describe(threat)["knowledge"] == "gradient"
    built = build("threat", {"type": "threat_model", "space": {"type": "linf", "eps": "8/255"}})
    assert built == ThreatModel(Linf(eps="8/255"))
    score = build("threat", {**describe(built), "knowledge": "score"})
    assert score.knowledge is Knowledge.SCORE


def test_eps_is_kept_as_it_was_written():
    assert describe(Linf(eps="8/255"))["eps"] == "8/255"
    for eps in ("8/255", 0.25, 1):
        assert build("space", describe(Linf(eps=eps))).eps == eps


def test_equal_components_have_equal_digests():
    assert PGD(step_size=1) == PGD(step_size=1.0)
    assert digest(PGD(step_size=1)) == digest(PGD(step_size=1.0))
    assert digest(Linf(eps=1)) == digest(Linf(eps=1.0))
    assert digest(PGD(steps=3)) != digest(PGD(steps=4))
    assert canonical({"b": 1.0, "a": [True, None, "é"]}) == '{"a":[true,null,"\\u00e9"],"b":1}'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("pgdd", r"unknown attack 'pgdd'; did you mean 'pgd'\?"),
        ({"steps": 3}, r"attack needs a 'type'; holdfast list attack names all"),
        ({"type": "pgd", "step": 3}, r"unknown key 'step' in pgd; did you mean 'steps'\?"),
        ({"type": "pgd", "steps": "many"}, "pgd.steps must be int, got 'many'"),
        ({"type": "pgd", "steps": 2.5}, "pgd.steps must be int, got 2.5"),
        ({"type": "pgd", "steps": True}, "pgd.steps must be int, got True"),
        ({"type": "pgd", "step_size": None}, "pgd.step_size must be float, got None"),
        ({"type": "pgd", "loss": "dlrr"}, r"unknown loss 'dlrr'; did you mean 'dlr'\?"),
        ({"type": "pgd", "loss": 3}, "pgd.loss must be a Loss or its name or None, got 3"),
        ({"type": "pgd", "start": {"type": "gaussian", "sdt": 1}}, r"did you mean 'std'\?"),
        ({"type": "restarts"}, "restarts: .*missing.*'attack'"),
        (Linf(eps=0.1), "attack must be a name, a mapping or a component"),
        (7, "attack must be a name, a mapping or a component, got 7"),
    ],
)
def test_errors_name_the_field_and_the_nearest(data, message):
    with pytest.raises(ConfigError, match=message) as error:
        build("attack", data)
    assert "\n" not in str(error.value)


def test_a_wrong_choice_names_the_nearest():
    plain = describe(ThreatModel(Linf(eps=0.1)))
    with pytest.raises(ConfigError, match=r"'gradent'; did you mean 'gradient'\?"):
        build("threat", {**plain, "knowledge": "gradent"})


def test_a_value_that_a_component_refuses_is_an_input_error():
    with pytest.raises(InputError, match="eps must be in"):
        build("space", {"type": "linf", "eps": 8})
    with pytest.raises(ConfigError, match="range must have 2 entries"):
        build("space", {"type": "linf", "eps": 0.1, "range": [0, 1, 2]})


class Color(StrEnum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Rich:
    kind = "rich"
    flag: bool = False
    share: float = 0.5
    names: tuple[str, ...] = ()
    pair: tuple[int, float] = (1, 2.0)
    color: Color = Color.RED
    extra: dict | None = None


def test_types_of_fields():
    register("rich")(Rich)
    value = Rich(flag=True, names=("a", "b"), extra={"k": [1, "x"]})
    assert build("rich", json.loads(json.dumps(describe(value)))) == value
    built = build("rich", {"type": "rich", "share": 1, "pair": [3, 4], "color": "red"})
    assert built == Rich(share=1.0, pair=(3, 4.0))
    assert isinstance(built.share, float)
    for bad in ({"flag": 1}, {"flag": "yes"}, {"share": "a"}, {"pair": [1]}, {"color": "blue"}):
        with pytest.raises(ConfigError, match=f"rich.{next(iter(bad))}"):
            build("rich", {"type": "rich", **bad})


def test_what_is_not_plain_is_refused():
    with pytest.raises(ConfigError, match="cannot write"):
        describe(object())
    with pytest.raises(ConfigError, match="not a registered component"):
        describe(dataclasses.make_dataclass("Stranger", [])())
