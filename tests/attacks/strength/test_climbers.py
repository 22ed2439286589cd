"""Attacks of a fixed budget: closed forms on linear models, APGD on a published network."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from holdfast.attacks import (
    ACG,
    APGD,
    GAMA,
    MALT,
    MD,
    NIFGSM,
    ODI,
    PGD,
    VNIFGSM,
    EachTarget,
    FrankWolfe,
    MultiTargeted,
    Restarts,
)
from holdfast.losses import DLR, CrossEntropy, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import ThreatModel

NI = NIFGSM(steps=40, step_size=0.2)
VNI = VNIFGSM(steps=40, step_size=0.2, neighbors=1)
CLIMBERS = [ACG(), FrankWolfe(), GAMA(), MD(), NI, VNI]
NAMES = [type(attack).__name__ for attack in CLIMBERS]


def farthest(x, slope, space):
    """Return the point of the set around x (B, D) that is farthest along slope (B, D), float64."""
    x, slope = x.double(), slope.double()
    if isinstance(space, Linf):
        return (x + space.radius * slope.sign()).clamp(0, 1)
    low, high = torch.zeros(len(x), 1).double(), torch.full((len(x), 1), 1e6).double()
    for _ in range(100):
        middle = (low + high) / 2
        inside = ((x + middle * slope).clamp(0, 1) - x).norm(dim=1, keepdim=True) <= space.radius
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return (x + low * slope).clamp(0, 1)


def missed(attack, space, classes, size=60, n=20):
    """Return (B,): the share of the possible rise of the margin that the attack missed."""
    torch.manual_seed(0)
    net = nn.Linear(size, classes).eval()
    x = Rng(5, torch.arange(n)).uniform((size,))
    weight, bias = net.weight.detach().double(), net.bias.detach().double()
    with torch.no_grad():
        y = net(x).argmax(1)
        clean = Margin().away(net(x), y).double()
    best = torch.full((n,), -torch.inf).double()
    for k in range(classes):
        slope = weight[k] - weight[y]
        top = (farthest(x, slope, space) * slope).sum(1) + bias[k] - bias[y]
        best = torch.where(y == k, best, torch.maximum(best, top))
    objective = Objective(ThreatModel(space), net, x, y)
    found = attack(objective, space.around(x), Rng(0, torch.arange(n)))
    share = (best - found.harm) / (best - clean)
    assert bool((share > -1e-4).all()), "better than the optimum: the set or the test is wrong"
    return share


@pytest.mark.parametrize(
    "space", [Linf(eps=0.1), L2(eps=0.3), L2(eps=1.5)], ids=["linf", "l2", "l2-wide"]
)
@pytest.mark.parametrize("attack", CLIMBERS, ids=NAMES)
@pytest.mark.parametrize("loss", [Margin(), CrossEntropy()], ids=["margin", "ce"])
def test_the_optimum_of_two_linear_classes_is_reached(attack, loss, space):
    assert float(missed(replace(attack, loss=loss), space, 2).max()) < 0.01


@pytest.mark.parametrize("space", [Linf(eps=0.1), L2(eps=0.8)], ids=["linf", "l2"])
def test_target_by_target_the_optimum_of_many_classes_is_reached(space):
    for attack in (
        MALT(attack=APGD(steps=40, loss=Margin())),
        MultiTargeted(steps=40, step_size=0.1),
    ):
        assert float(missed(attack, space, 10, size=40).max()) < 0.01


@pytest.fixture(scope="module")
def published(shared):
    """Return (network, x, y, space) of up to 150 images that a robustly trained net gets right."""
    sys.path.insert(0, str(shared / "targets"))
    try:
        from load_target import load
    finally:
        sys.path.pop(0)
    name = "mnist_cnn_a_adv"
    net, _ = load(name)
    known = json.loads((shared / "targets" / "reference.json").read_text())["networks"][name]
    with np.load(shared / "data" / "images" / "mnist.npz") as images:
        x, y = images["x_test"][:150], images["y_test"][:150]
    x, y = torch.from_numpy(x).float().reshape(-1, 1, 28, 28) / 255, torch.from_numpy(y).long()
    right = torch.tensor([bit == "1" for bit in known["clean"][:150]])
    return net, x[right], y[right], Linf(eps=known["eps"])


@pytest.fixture(scope="module")
def unbroken(published):
    """Return a function: how many images an attack leaves; rivals of several are run once."""
    net, x, y, space = published

    @cache
    def count(attack):
        objective = Objective(ThreatModel(space), net, x, y)
        found = attack(objective, space.around(x), Rng(0, torch.arange(len(x))))
        return int((~found.success).sum())

    return count


@pytest.mark.parametrize(
    ("attack", "other"),
    [
        (ACG(loss=CrossEntropy()), APGD(loss=CrossEntropy())),
        (ACG(loss=Margin()), APGD(loss=Margin())),
        (GAMA(), APGD(loss=Margin())),
        (GAMA(), PGD(steps=100, loss=Margin())),
        (MD(loss=Margin()), APGD(loss=Margin())),
        (FrankWolfe(steps=100, loss=Margin()), PGD(steps=100, loss=Margin())),
        (
            Restarts(attack=ODI(attack=PGD(steps=18, loss=Margin())), restarts=5),
            Restarts(attack=PGD(steps=20, loss=Margin()), restarts=5),
        ),
        (MultiTargeted(top=4), PGD(steps=88, loss=Margin())),
        (
            MALT(attack=APGD(steps=20, loss=DLR()), top=3),
            EachTarget(attack=APGD(steps=23, loss=DLR()), top=3),
        ),
    ],
    ids=["acg-ce", "acg", "gama", "gama-pgd", "md", "fw", "odi", "mt", "malt"],
)
def test_no_weaker_than_its_rival_at_equal_passes(unbroken, attack, other):
    """Two of 146 examples are what a change of seed moves."""
    assert abs(attack.passes()[1] - other.passes()[1]) <= 4
    ours, theirs = unbroken(attack), unbroken(other)
    print(f"{type(attack).__name__} {ours}, {type(other).__name__} {theirs}")
    assert ours <= theirs + 2
