"""MALT around an attack of either aim."""

from __future__ import annotations

import torch

from holdfast.attacks import FMN, MALT
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2
from holdfast.threat import ThreatModel
from small_nets import batch, mlp

SHAPE = (1, 4, 4)


def test_around_a_search_for_the_nearest_it_is_one():
    """It walked within the radius, and what such a search finds beyond it was taken for a bug."""
    net, space, inner = mlp(SHAPE), L2(eps=0.5), FMN(steps=20)
    x, y = batch(net, SHAPE, n=8)
    alone, found = (
        attack(Objective(ThreatModel(space), net, x, y), space.around(x), Rng(0, torch.arange(8)))
        for attack in (inner, MALT(attack=inner, top=3, among=3))
    )
    assert bool(found.size.isfinite().all())
    assert float(found.size.median()) <= 1.02 * float(alone.size.median())
