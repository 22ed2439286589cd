"""On two-dimensional ReLU nets the worst case is found by looking everywhere."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch

from holdfast.attacks import APGD, PGD, EachTarget, Restarts
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import ThreatModel
from small_nets import tiny

NETS, POINTS = 6, 16
SPACES = [Linf(eps=0.15), L2(eps=0.2)]


def everywhere(space, x):
    """Return (M, 2): a dense grid of the set around x (2,), with its boundary and corners."""
    if isinstance(space, Linf):
        low, high = (x - space.radius).clamp(0, 1), (x + space.radius).clamp(0, 1)
        sides = [torch.linspace(float(a), float(b), 401) for a, b in zip(low, high, strict=True)]
        return torch.cartesian_prod(*sides)
    radius = torch.linspace(0, space.radius, 151)
    angle = torch.linspace(0, 2 * math.pi, 1001)
    r, a = torch.cartesian_prod(radius, angle).T
    disc = x + torch.stack([r * a.cos(), r * a.sin()], dim=1)
    return disc.clamp(0, 1)  # towards x in every coordinate, so it stays in the disc


def optimum(net, x, y, space):
    with torch.no_grad():
        best = [
            Margin().away(net(grid), label.expand(len(grid))).max()
            for grid, label in (
                (everywhere(space, point), label) for point, label in zip(x, y, strict=True)
            )
        ]
    return torch.stack(best)


@cache
def problems(space):
    """Return (net, x, y, clean margin, largest margin) of several networks."""
    found = []
    for seed in range(NETS):
        net, x = tiny(seed), Rng(seed, torch.arange(POINTS)).uniform((2,))
        with torch.no_grad():
            y = net(x).argmax(1)
            clean = Margin().away(net(x), y)
        found.append((net, x, y, clean, optimum(net, x, y, space)))
    return found


def missed(attack, space):
    """Return the share of the possible rise of the margin that was missed, per example."""
    gaps = []
    for net, x, y, clean, best in problems(space):
        objective = Objective(ThreatModel(space), net, x, y)
        found = attack(objective, space.around(x), Rng(1, torch.arange(POINTS)))
        gaps.append((best - found.harm) / (best - clean).clamp_min(1e-6))
    return torch.cat(gaps)


@pytest.mark.parametrize("space", SPACES, ids=["linf", "l2"])
@pytest.mark.parametrize(
    ("attack", "share"),
    [
        (APGD(), 0.75),
        (PGD(), 0.75),
        (Restarts(attack=PGD(), restarts=5), 0.9),
        (EachTarget(attack=APGD(), top=2), 0.8),
        (Restarts(attack=APGD(steps=50), restarts=5), 0.9),
    ],
    ids=["apgd", "pgd", "pgd-5", "apgd-t", "apgd-5"],
)
def test_within_two_percent_in_the_median(attack, share, space):
    """share: of the examples, how many must come within 2 %; the rest ends on another hill."""
    gaps = missed(attack, space)
    assert float(gaps.min()) > -0.02, "better than the grid by more than its mesh"
    assert float(gaps.median()) < 0.02
    assert float((gaps < 0.02).float().mean()) >= share
