"""Every attack in every set that fits it, and how one is run on a small network."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache

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


def each_of(attacks):
    """Run a test for the attacks in every space that their `needs` allow."""
    pairs = [
        pytest.param(attack.values[0], space, id=f"{attack.id}-{name}")
        for attack in attacks
        for name, space in SPACES.items()
        if fits(attack.values[0], space)
    ]
    return pytest.mark.parametrize(("attack", "space"), pairs)


every_attack = each_of(ATTACKS)


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
