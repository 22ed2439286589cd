"""Searches for the nearest counterexample against the exact least distance."""

from __future__ import annotations

import pytest

from holdfast.attacks import CW, DDN, FMN, DeepFool, EachTarget
from least_distance import SPACES, on_linear, on_tiny

CONVEX = ["l1", "l2", "linf"]
SHORT = CW(steps=100, binary_search_steps=6, learning_rate=0.05)
FMNS = [(FMN(), name) for name in CONVEX]
FOOLS = [(DeepFool(overshoot=0.001), name) for name in CONVEX]


def named(*pairs):
    return [pytest.param(*pair, id=f"{type(pair[0]).__name__}-{pair[1]}") for pair in pairs]


@pytest.mark.parametrize(("attack", "name"), named(*FMNS, *FOOLS, (DDN(), "l2"), (SHORT, "l2")))
def test_within_one_percent_of_the_closed_form_on_two_classes(attack, name):
    """Where many coordinates meet the range, and where few do."""
    size, exact = on_linear(attack, SPACES[name], 2)
    excess = size / exact - 1
    assert float(excess.min()) > -1e-4
    assert float(excess.max()) < 0.01


@pytest.mark.parametrize(("attack", "name"), named(*FMNS, *FOOLS, (DDN(), "l2"), (SHORT, "l2")))
def test_with_ten_classes_a_search_may_settle_for_another(attack, name):
    size, exact = on_linear(attack, SPACES[name], 10)
    excess = size / exact - 1
    assert float(excess.min()) > -1e-4
    assert float(excess.median()) < 0.01
    if isinstance(attack, DeepFool | CW):  # they look at all of them
        assert float(excess.max()) < 0.01


@pytest.mark.parametrize("name", [pytest.param("l1", marks=pytest.mark.slow), "l2", "linf"])
def test_target_by_target_the_nearest_of_ten_classes_is_found(name):
    size, exact = on_linear(EachTarget(attack=FMN(steps=100), top=9), SPACES[name], 10)
    assert float((size / exact - 1).max()) < 0.01


@pytest.mark.parametrize("classes", [2, 10])
def test_l0_within_one_coordinate(classes):
    size, exact = on_linear(FMN(), SPACES["l0"], classes)
    assert float((size - exact).min()) >= 0
    assert float((size - exact).median()) == 0
    assert float((size - exact).max()) <= 1


@pytest.mark.parametrize(
    ("attack", "name"), named(*FMNS, (FMN(), "l0"), (DDN(), "l2"), (SHORT, "l2"))
)
def test_within_two_percent_of_the_optimum_on_tiny_networks(attack, name):
    excess = on_tiny(attack, name)
    assert float(excess.min()) > -0.02, "better than looking everywhere by more than its mesh"
    assert float(excess.median()) < 0.02
    assert float((excess < 0.02).float().mean()) >= 0.8


@pytest.mark.parametrize("name", CONVEX)
def test_deepfool_comes_near_and_no_nearer(name):
    """It ends where it first crosses: a start for others. Half of its points are within 15 %."""
    excess = on_tiny(DeepFool(), name)
    assert float(excess.median()) < 0.15
