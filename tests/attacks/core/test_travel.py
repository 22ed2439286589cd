"""Step sizes are fractions of the radius: what is written in the data's units is noticed."""

from __future__ import annotations

import warnings

import pytest
import torch

import holdfast as hf
from holdfast import attacks
from holdfast.attacks.core.travel import short_steps
from holdfast.config import build
from holdfast.errors import ConfigError, HoldfastWarning
from holdfast.spaces import L2, Linf
from small_nets import batch, mlp

SHAPE = (1, 4, 4)
SPACE = Linf(eps="8/255")
SHORT = 2 / 255  # a quarter of the radius, in the data's units


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: attacks.PGD(step_size="2/255"), "at eps=8/255 write step_size=0.25$"),
        (lambda: attacks.MIFGSM(step_size="4/255"), "at eps=8/255 write step_size=0.5$"),
        (lambda: hf.NFGSM(step_size="10/255"), "at eps=8/255 write step_size=1.25$"),
        (lambda: attacks.DDN(first_step="2/255"), "first_step is in widths of the range"),
        (lambda: attacks.SPSA(learning_rate="2/255"), "a fraction of the largest cube"),
    ],
)
def test_a_step_size_as_text_is_told_what_it_would_be(make, words):
    with pytest.raises(ConfigError, match=words) as caught:
        make()
    assert "is in the data's units" in str(caught.value)


def test_a_configuration_converts_to_its_own_eps():
    section = {"threat": "linf:4/255"}
    with pytest.raises(ConfigError, match=r"at eps=4/255 write step_size=0\.5$"):
        build("train", section, ["method.attack.step_size=2/255"])
    section = {"threat": "linf:0.1", "attack": {"type": "bim", "step_size": "1/20"}}
    with pytest.raises(ConfigError, match=r"at eps=0\.1 write step_size=0\.5$"):
        build("attack", section)


@pytest.mark.parametrize(
    "component",
    [
        attacks.PGD(step_size=SHORT),
        attacks.BIM(step_size=SHORT),
        attacks.MIFGSM(step_size=SHORT),
        attacks.TIFGSM(step_size=SHORT),
        attacks.RFGSM(step_size=SHORT),
        attacks.MultiTargeted(step_size=SHORT),
        attacks.GAMA(step_size=SHORT),
        attacks.MD(step_size=SHORT),
        attacks.Restarts(attack=attacks.EachTarget(attack=attacks.PGD(step_size=SHORT))),
        attacks.WarmStart(then=attacks.PGD(step_size=SHORT)),
        hf.Madry(attack=attacks.PGD(step_size=SHORT)),
        hf.TRADES(attack=attacks.PGD(step_size=SHORT)),
        hf.FastAT(attack=attacks.RFGSM(step_size=SHORT)),
        hf.NFGSM(step_size=SHORT),
    ],
    ids=lambda component: type(component).__name__,
)
def test_steps_that_cannot_cross_the_radius_are_told_their_size(component):
    lines = short_steps(component, SPACE)
    assert len(lines) == 1
    assert lines[0].endswith("at eps=8/255 write step_size=0.25")


def test_a_default_that_is_too_short_for_few_steps_is_no_slip_of_units():
    for component in (attacks.PGD(steps=7), hf.Madry(attack=attacks.PGD(steps=7))):
        (line,) = short_steps(component, SPACE)
        assert "reach 0.7 of the radius" in line
        assert line.endswith("take more of them, or write step_size=0.36")


def test_no_default_is_too_short_and_steps_that_adapt_are_let_pass():
    from components import every_component

    for parameter in every_component():
        kind, component = parameter.values
        if kind in ("attack", "method", "suite_definition"):
            assert short_steps(component, SPACE) == []
    for adaptive in (attacks.APGD(steps=2), attacks.NES(step_size=SHORT), attacks.FMN(steps=3)):
        assert short_steps(adaptive, SPACE) == []
    assert short_steps(attacks.PGD(steps=10, step_size=0.1), SPACE) == []


@pytest.mark.parametrize("space", [SPACE, L2(eps=0.5)], ids=["linf", "l2"])
def test_an_attack_warns_once_for_each_line(space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    threat, attack = hf.ThreatModel(space), attacks.PGD(step_size=SHORT)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("default")
        for _ in range(3):
            hf.attack(net, x, y, threat=threat, attack=attack, seed=0)
    assert [warning.category for warning in heard] == [HoldfastWarning]
    assert heard[0].filename == __file__


def test_training_warns_before_it_starts(tmp_path):
    from tiny import some_digits

    with pytest.warns(HoldfastWarning, match=r"write step_size=0\.25"):
        hf.train(
            "mlp",
            some_digits(16),
            threat=hf.ThreatModel(SPACE),
            method=hf.Madry(attack=attacks.PGD(steps=3, step_size=SHORT)),
            plan=hf.TrainPlan(epochs=1, batch_size=8),
            out=tmp_path / "run",
            quiet=True,
        )


def test_an_evaluation_warns_and_the_claim_lists_it(tmp_path):
    from tiny import own_network, some_digits

    members = tuple(
        hf.evaluation.Member(name=f"pgd-{k}", attack=attacks.PGD(steps=2, step_size=k * SHORT))
        for k in (1, 2)
    )
    suite = hf.Suite(name="own", members=members)
    model, data = own_network(), some_digits(16)
    with pytest.warns(HoldfastWarning, match="reach 0.016 of the radius"):
        claim = hf.evaluate(
            model, data, threat=hf.ThreatModel(SPACE), suite=suite, out=tmp_path / "c", quiet=True
        )
    (check,) = (check for check in claim.checks if check["id"] == "step-size")
    assert check["status"] == "warn"
    assert "pgd-1: " in check["message"]
    assert "(2 attacks in all)" in check["message"]
    hf.verify(tmp_path / "c", model=model, data=data)


@pytest.mark.parametrize(
    ("make", "level"),
    [
        (lambda: Linf(eps=1e-6), "0.00392"),
        (lambda: L2(eps="1/1000", range=(0.0, 255.0)), "1"),
        (lambda: hf.Recolor(eps=1e-7), "0.00392"),
    ],
)
def test_an_eps_below_a_hundredth_of_a_grey_level_warns(make, level):
    with pytest.warns(HoldfastWarning, match=f"a level is {level} there") as heard:
        make()
    assert heard[0].filename == __file__


def test_a_small_eps_and_one_that_is_no_length_are_let_pass():
    Linf(eps="0.02/255")
    hf.Flow(eps=0.001)
    hf.RotationTranslation(eps=0.001)


def test_a_claim_lists_a_tiny_eps(tmp_path):
    from tiny import own_network, some_digits

    with pytest.warns(HoldfastWarning):
        threat = hf.ThreatModel(Linf(eps=1e-6))
    suite = hf.Suite(
        name="own", members=(hf.evaluation.Member(name="fgsm", attack=attacks.FGSM()),)
    )
    data = some_digits(16)
    claim = hf.evaluate(
        own_network(), data, threat=threat, suite=suite, out=tmp_path / "c", quiet=True
    )
    assert [c["status"] for c in claim.checks if c["id"] == "tiny-eps"] == ["warn"]


@pytest.mark.parametrize(
    ("attack", "name", "value"),
    [
        (attacks.PGD, "step_size", 1e20),
        (attacks.NES, "step_size", 1e300),
        (attacks.FMN, "first_step", 3e38),
        (attacks.ALMA, "relative_step", 1e7),
    ],
)
def test_a_step_that_overflows_is_refused(attack, name, value):
    with pytest.raises(ConfigError, match=f"{name} must be"):
        attack(**{name: value})


@pytest.mark.parametrize("space", [Linf(eps=0.1), L2(eps=0.5), hf.L1(eps=2)])
def test_the_longest_step_stays_in_the_set(space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    for attack in (attacks.PGD(steps=3, step_size=1e6), attacks.MIFGSM(steps=3, step_size=1e6)):
        found = hf.attack(net, x, y, threat=hf.ThreatModel(space), attack=attack, seed=0)
        assert torch.isfinite(found.x_adv).all()
