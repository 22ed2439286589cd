"""In L1 and L0 the worst case of a linear model is greedy; attacks within the set must reach it."""

from __future__ import annotations

import pytest
import torch

from holdfast.attacks import APGD, PGD
from holdfast.losses import CrossEntropy, Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L0, L1
from holdfast.threat import ThreatModel
from small_nets import linear


def optimum(net, x, y, space):
    """Return (B,): the largest margin within the set, in float64, of a model of two classes."""
    weight, bias = net[1].weight.detach().double(), net[1].bias.detach().double()
    best = []
    for point, label in zip(x.flatten(1).double(), y.tolist(), strict=True):
        normal = weight[1 - label] - weight[label]
        room = torch.where(normal > 0, 1 - point, point)
        gains = normal.abs() * room
        if isinstance(space, L0):
            gained = gains.sort(descending=True).values[: int(space.radius)].sum()
        else:
            order = normal.abs().argsort(descending=True)
            spent = room[order].cumsum(0) - room[order]
            part = (space.radius - spent).clamp_min(0).minimum(room[order])
            gained = (normal.abs()[order] * part).sum()
        clean = (normal * point).sum() + bias[1 - label] - bias[label]
        best.append(clean + gained)
    return torch.stack(best)


@pytest.mark.parametrize("loss", [Margin(), CrossEntropy()], ids=["margin", "ce"])
@pytest.mark.parametrize("attack", [APGD(), APGD(steps=50), PGD()], ids=["apgd", "apgd-50", "pgd"])
@pytest.mark.parametrize(
    "space", [L1(eps=0.5), L1(eps=2), L1(eps=8), L0(eps=1), L0(eps=5)], ids=lambda s: s.sentence()
)
def test_within_one_percent_of_the_closed_form(space, attack, loss):
    net = linear((60,), 2)
    x = Rng(5, torch.arange(20)).uniform((60,))
    with torch.no_grad():
        logits = net(x)
    y, clean = logits.argmax(1), Margin().away(logits, logits.argmax(1))
    attack = type(attack)(**{**vars(attack), "loss": loss})
    objective = Objective(ThreatModel(space), net, x, y)
    found = attack(objective, space.around(x), Rng(0, torch.arange(20)))
    best = optimum(net, x, y, space)
    missed = (best - found.harm) / (best - clean)
    assert float(missed.min()) > -1e-4
    assert float(missed.median()) < 0.01
    assert float(missed.max()) < (0.2 if isinstance(attack, PGD) else 0.05)  # fixed steps swing
