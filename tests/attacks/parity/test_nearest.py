"""Distances next to those of a reference implementation, recorded on one small network."""

from __future__ import annotations

import pytest
import torch

from holdfast.attacks import DDN, FMN
from holdfast.losses import CrossEntropy
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L0, L2, Linf
from holdfast.threat import ThreatModel
from small_nets import digits

# adversarial-library 0.2.8, the first 100 test digits: median and mean distance. DDN without gray
# levels; FMN in Linf with a first step of 10.
RECORDED = [
    (DDN(steps=100, loss=CrossEntropy()), L2(eps=0.5), 0.6491, 0.6366),
    (DDN(steps=1000, loss=CrossEntropy()), L2(eps=0.5), 0.6487, 0.6360),
    (FMN(steps=100), L0(eps=3), 2.0, 2.27),
    (FMN(steps=100), Linf(eps=0.1), 0.1673, 0.1589),
    (FMN(steps=1000), Linf(eps=0.1), 0.1672, 0.1589),
]


@pytest.mark.parametrize(("attack", "space", "median", "mean"), RECORDED)
def test_as_near_as_the_reference(attack, space, median, mean):
    net, x, y = digits(100)
    objective = Objective(ThreatModel(space), net, x, y)
    size = attack(objective, space.around(x), Rng(0, torch.arange(100))).size
    assert float(size.median()) < 1.01 * median
    assert float(size.mean()) < 1.01 * mean
