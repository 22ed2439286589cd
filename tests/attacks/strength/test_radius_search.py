"""The radius searched: as near as attacks made for it, and what is found is not lost again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.attacks import APGD, DDN, PGD, EachTarget, RadiusSearch
from holdfast.errors import InputError
from holdfast.losses import Margin
from least_distance import SPACES, on_linear, on_tiny, run
from small_nets import digits

INNER = APGD(steps=25, loss=Margin())
FIRST = {"l0": 4.0, "l1": 0.5, "l2": 0.2, "linf": 0.1}
CONVEX = ["l1", "l2", "linf"]


def search(name):
    return RadiusSearch(attack=INNER, first=FIRST[name], radii=15)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("l1", 2),
        ("l2", 2),
        ("linf", 2),
        pytest.param("l2", 10, marks=pytest.mark.slow),
        pytest.param("linf", 10, marks=pytest.mark.slow),
    ],
)
def test_within_one_percent_of_the_closed_form(name, classes):
    """Of many planes each is climbed: the nearest margin alone has a hill for every class."""
    each = replace(search(name), attack=EachTarget(attack=INNER, top=classes - 1))
    size, exact = on_linear(each, SPACES[name], classes)
    excess = size / exact - 1
    assert float(excess.min()) > -1e-4
    assert float(excess.max()) < 0.01


@pytest.mark.parametrize("name", CONVEX)
def test_within_two_percent_of_the_optimum_on_tiny_networks(name):
    excess = on_tiny(search(name), name)
    assert float(excess.min()) > -0.02, "better than looking everywhere by more than its mesh"
    assert float(excess.median()) < 0.02


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0])
def test_any_first_radius_leads_there(first):
    """adv-lib 0.2.8's FAB with 30 steps: 0.1390 in the median of the same 40 digits."""
    net, x, y = digits(40)
    attack = RadiusSearch(attack=EachTarget(attack=INNER, top=3), first=first, radii=18)
    found = run(attack, SPACES["linf"], net, x, y)
    assert bool(found.reached.all())
    assert float(found.size.median()) <= 1.005 * 0.1390


def test_each_radius_goes_on_from_what_is_found():
    """Three steps a radius add up: 1.94 in the mean; each from its own start, 4.26."""
    net, x, y = digits(40)
    attack = RadiusSearch(attack=PGD(steps=3, loss=Margin()), first=1.0, radii=12)
    assert float(run(attack, SPACES["l1"], net, x, y).size.mean()) < 2.2


def test_an_attack_that_looks_for_the_nearest_needs_no_search():
    with pytest.raises(InputError, match="DDN, which looks for the nearest already"):
        RadiusSearch(attack=DDN(), first=0.1)
