"""Names for components."""

from __future__ import annotations

import pytest

from holdfast import components
from holdfast.errors import ConfigError, HoldfastError, did_you_mean


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


def test_lookup_both_ways(shelf):
    @components.register("attack")
    class BigStep:
        pass

    @components.register("attack", name="other")
    class Anything:
        pass

    assert components.lookup("attack", "big_step") is BigStep
    assert components.known("attack") == {"big_step": BigStep, "other": Anything}
    assert components.name_of(Anything) == "other"
    assert components.kind_of(Anything) == "attack"
    assert components.kinds() == ["attack"]
    assert components.known("loss") == {}


def test_an_unknown_name_is_told_the_nearest(shelf):
    for name in ("pgd", "apgd", "square"):
        components.register("attack", name=name)(type(name, (), {}))
    with pytest.raises(
        ConfigError, match=r"unknown attack 'sqare'; did you mean 'square'\?"
    ) as error:
        components.lookup("attack", "sqare")
    assert "known: apgd, pgd, square" in str(error.value)


def test_a_name_is_taken_once_and_again_by_the_same_class(shelf):
    cls = type("A", (), {})
    components.register("attack")(cls)
    components.register("attack")(cls)
    with pytest.raises(AssertionError, match="two attacks are called 'a'"):
        components.register("attack")(type("A", (), {}))


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
