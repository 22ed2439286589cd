"""Searches in sets that are no balls: mute networks, broken ones, and training there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import (
    PGD,
    ApplyPatch,
    Exhaustive,
    Leap,
    PlaceSearch,
    RandomSearch,
    SparseRS,
    StAdv,
)
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces.appearance.corruptions import Contrast, GaussianNoise
from holdfast.threat import Status, ThreatModel
from small_nets import digits
from tiny import tiny_run

FLOW, PATCH = hf.Flow(eps=1), hf.Patch(height=0.4, width=0.4)
COLORS, CHOICES = hf.Recolor(eps=0.3, points=6), hf.CommonCorruptions()
FEW = hf.CommonCorruptions(eps=2, corruptions=(Contrast(), GaussianNoise()))
PLACES = PlaceSearch(attack=PGD(steps=3), places=1, heats=2, probes=4)
PAIRS = [
    (FLOW, Leap(steps=5)),
    (FLOW, StAdv(steps=5)),
    (COLORS, StAdv(steps=5)),
    (PATCH, PLACES),
    (PATCH, SparseRS(queries=9)),
    (PATCH, ApplyPatch(places=3)),
    (CHOICES, Exhaustive()),
    (CHOICES, RandomSearch(queries=9)),
]
pairs = pytest.mark.parametrize(("space", "attack"), PAIRS, ids=lambda value: type(value).__name__)


def run(space, attack, net, x, y):
    objective = Objective(ThreatModel(space), net, x, y)
    return attack(objective, space.around(x), Rng(0, torch.arange(len(x))))


class Mute(nn.Module):
    """Right about everything, without a slope."""

    def __init__(self, y):
        super().__init__()
        self.logits = nn.functional.one_hot(y, 10).float()

    def forward(self, x):
        return self.logits + 0 * x.flatten(1)[:, :10]


class Partly(nn.Module):
    """No number for the example of id 2 once it is changed."""

    def __init__(self, net, x):
        super().__init__()
        self.net, self.x = net, x

    def forward(self, x):
        odd = (x != self.x).flatten(1).any(1) & (torch.arange(len(x)) == 2)
        return torch.where(odd[:, None], torch.nan, self.net(x))


@pairs
def test_what_cannot_move_has_failed(space, attack):
    _, x, y = digits(6)
    found = run(space, attack, Mute(y), x, y)
    climbs = attack.demands().knowledge == "gradient"
    assert found.status == [Status.FAILED if climbs else Status.UNBROKEN] * 6


@pairs
def test_an_example_without_numbers_leaves_the_others_alone(space, attack):
    net, x, y = digits(6)
    alone, found = run(space, attack, net, x, y), run(space, attack, Partly(net, x), x, y)
    assert found.status[2] == Status.FAILED
    others = torch.arange(6) != 2
    assert torch.equal(alone.x_adv[others], found.x_adv[others])
    assert torch.equal(alone.harm[others], found.harm[others])


@pytest.mark.parametrize(
    ("space", "attack"),
    [
        (FLOW, PGD(steps=2, step_size=0.5)),
        (COLORS, PGD(steps=2, step_size=0.5)),
        (PATCH, PGD(steps=2, step_size=0.5)),
        (FEW, RandomSearch(queries=2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_network_can_be_trained_there(space, attack, tmp_path):
    found = tiny_run(tmp_path, threat=ThreatModel(space), method=hf.Madry(attack=attack))
    losses = [row["train_loss"] for row in found.history]
    assert losses[-1] < losses[0]
