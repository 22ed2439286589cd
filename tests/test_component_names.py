"""Names for components."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from holdfast import components
from holdfast.errors import ConfigError, HoldfastError, did_you_mean
from holdfast.evaluation import STANDARD_1, Suite, get_suite


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setattr(components, "_components", {})
    monkeypatch.setattr(components, "_labels", {})


@pytest.mark.parametrize(
    ("written", "snake"),
    [
        ("ScaledCrossEntropy", "scaled_cross_entropy"),
        ("PGD", "pgd"),
        ("L2", "l2"),
        ("Linf", "linf"),
        ("EachTarget", "each_target"),
        ("DLRLoss", "dlr_loss"),
    ],
)
def test_names_in_snake_case(written, snake):
    assert components.snake(written) == snake


@dataclass(frozen=True)
class Base:
    kind = "attack"


def made(name, base=Base):
    """A component class of its own place in this module."""
    return dataclass(frozen=True)(type(name, (base,), {"__module__": __name__}))


def test_lookup_both_ways(shelf):
    BigStep, Anything = made("BigStep"), made("Anything")
    components.register("attack")(BigStep)
    components.register("attack", name="other")(Anything)

    assert components.lookup("attack", "big_step") is BigStep
    assert components.known("attack") == {"big_step": BigStep, "other": Anything}
    assert components.name_of(Anything) == "other"
    assert components.kind_of(Anything) == "attack"
    assert components.kinds() == ["attack"]
    assert components.known("loss") == {}


def test_an_unknown_name_is_told_the_nearest(shelf):
    for name in ("pgd", "apgd", "square"):
        components.register("attack", name=name)(made(name))
    with pytest.raises(
        ConfigError, match=r"unknown attack 'sqare'; did you mean 'square'\?"
    ) as error:
        components.lookup("attack", "sqare")
    assert "known: apgd, pgd, square" in str(error.value)


def test_a_name_is_taken_once_and_again_by_the_class_that_is_written_again(shelf):
    first, again, other = made("A"), made("A"), made("B")
    for cls in (first, first, again):
        components.register("attack")(cls)
    assert components.lookup("attack", "a") is again
    assert components.name_of(first) == "a"
    with pytest.raises(ConfigError, match=r"the attack 'a' is .*\.A: give yours another name"):
        components.register("attack", name="a")(other)


def test_what_is_no_component_of_the_kind_is_refused_with_the_fix(shelf):
    components.register("attack")(made("A"))
    thawed = type("Thawed", (), {"kind": "attack"})
    for kind, cls, words in (
        ("attack", type("Nothing", (), {}), "Nothing is no attack: it must inherit from Base"),
        ("atack", made("Typo"), r"Typo is no atack: write register\('attack'\)"),
        ("attack", thawed, r"write @dataclass\(frozen=True, kw_only=True\) below @register"),
    ):
        with pytest.raises(ConfigError, match=words):
            components.register(kind)(cls)


def test_a_suite_is_registered_by_the_name_that_it_has(own_components):
    suite = Suite(name="mine-1", members=())
    components.register("suite")(suite)
    components.register("suite", name="mine-1")(Suite(name="mine-1", members=()))  # the same again
    assert get_suite("mine") == suite
    with pytest.raises(ConfigError, match="it is called 'mine-1': leave the name 'yours' out"):
        components.register("suite", name="yours")(suite)
    with pytest.raises(ConfigError, match="the suite 'mine-1' is there already"):
        components.register("suite")(Suite(name="mine-1", members=(STANDARD_1.members[0],)))


def test_nobody_takes_the_name_of_a_suite_of_ours(own_components):
    components.register("suite")(Suite(name="standard-9", members=STANDARD_1.members[:1]))
    assert get_suite("standard") is STANDARD_1
    with pytest.raises(ConfigError, match="'standard-9' stands for other attacks"):
        get_suite("standard-9")


def test_unregistered_classes_have_no_name():
    with pytest.raises(ConfigError, match="not a registered component"):
        components.name_of(int)


def test_hints():
    assert did_you_mean("pdg", ["pgd", "fgsm"]) == "; did you mean 'pgd'? known: fgsm, pgd"
    assert did_you_mean("zzz", ["pgd"]) == "; known: pgd"
    assert did_you_mean("zzz", []) == "; known: none"
    many = [f"step_{k:02}" for k in range(20)]
    assert did_you_mean("stp_03", many, "holdfast list step") == (
        "; did you mean 'step_03'? also near: step_13, step_10; holdfast list step names all 20"
    )
    assert did_you_mean("zzz", many, "holdfast list step") == "; holdfast list step names all 20"
    assert did_you_mean("step_03x", many).startswith("; did you mean 'step_03'? also near: ")
    assert did_you_mean("zzz", many).endswith("step_15 and 4 others")
    assert issubclass(ConfigError, HoldfastError)
