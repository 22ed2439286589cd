"""Every attack in every set that fits it, and how one is run on a small network."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from itertools import product
from zlib import crc32

import pytest
import torch

from components import SPACES, small_attacks
from holdfast.attacks.core.base import walk_of
from holdfast.logits import best_other, of_class, tolerance
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import PixelL0, catalog
from holdfast.threat import CountsCoordinates, Knowledge, RandomCorners, ThreatModel
from small_nets import batch, mlp

ATTACKS = small_attacks()


SHAPE = (2, 4, 5)


def fits(attack, space):
    """Say whether to run it there: pixels are L0 to an attack that knows nothing of places."""
    if isinstance(space, PixelL0) and not {CountsCoordinates, RandomCorners} & set(
        attack.demands().needs
    ):
        return False
    region = space.around(torch.rand(1, *SHAPE))
    return catalog.fits(region, attack.demands().needs)


def each_of(attacks, *, once=False, **factors):
    """Run a test for the attacks in the sets that fit and for the values of `factors`, pairwise.

    Each attack meets each of its sets and each value of each factor, and over the attacks each set
    meets each value; the rest of the product is `slow`. With `once` an attack need not meet each of
    its sets in this test: another test has another one.
    """

    def parametrized(test):
        turn = crc32(test.__name__.encode())
        cases = [
            pytest.param(attack.values[0], *values, id=f"{attack.id}-{name}", marks=marks)
            for place, attack in enumerate(attacks)
            for values, name, marks in _cases(attack.values[0], factors, place + turn, once)
        ]
        return pytest.mark.parametrize(("attack", "space", *factors), cases)(test)

    return parametrized


def _cases(attack, factors, turn, once):
    """Yield (values, name, marks) for the whole product of an attack's sets and the factors."""
    spaces = {name: space for name, space in SPACES.items() if fits(attack, space)}
    axes = [list(axis.items()) for axis in (spaces, *map(named, factors.values()))]
    most = max((len(axis) for axis in axes[once:]), default=1)
    if not spaces:
        return  # its sets have tests of their own
    pairs = {
        tuple((k + turn * (1 + j)) % len(axis) for j, axis in enumerate(axes)) for k in range(most)
    }
    for places in product(*(range(len(axis)) for axis in axes)):
        names, values = zip(*(axis[i] for axis, i in zip(axes, places, strict=True)), strict=True)
        yield values, "-".join(names), () if places in pairs else pytest.mark.slow


def named(values):
    """Return name -> value of a factor that may have no names."""
    return values if isinstance(values, dict) else {str(value): value for value in values}


every_attack = each_of(ATTACKS)
every_attack_once = each_of(ATTACKS, once=True)


@cache
def plain(attack, space):
    """Return what an attack finds for eight examples as they come; several tests compare with it.

    `batch(mlp(SHAPE), SHAPE)` are the examples.
    """
    net = mlp(SHAPE)
    return run(attack, space, net, *batch(net, SHAPE))


def run(attack, space, net, x, y, ids=None, **more):
    threat = ThreatModel(space, goal=more.pop("goal", ThreatModel(space).goal))
    objective = Objective(threat, net, x, y, **more)
    rng = Rng(0, torch.arange(len(x)) if ids is None else ids)
    return attack(objective, space.around(x), rng)


@contextmanager
def default_type(kind):
    """Let new tensors be of another floating-point type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def same(one, other, rows=slice(None), others=slice(None)):
    for name in ("x_adv", "harm", "loss", "size", "failed", "lost"):
        a, b = getattr(one, name)[rows], getattr(other, name)[others]
        assert a.dtype == b.dtype, name
        assert torch.equal(a, b), name


def judged(net, x_adv, y):
    with torch.no_grad():
        logits = net(x_adv)
        return Margin().away(logits, y), tolerance(best_other(logits, y), of_class(logits, y))


def uses_gradients(attack):
    return attack.knowledge is Knowledge.GRADIENT


def allowed(attack, space, x):
    """Return the set that an attack's points are in: every valid input, if it seeks the nearest."""
    return walk_of(attack, space.around(x))
