"""A detector beside the classifier: the worst undetected input is known for linear ones."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.losses import CrossEntropy, JointMargin, LogitMatch, Margin
from holdfast.models import Rejecting, reject_at
from linear_optimum import best_l2, best_linf
from small_nets import digits

N, SIZE = 40, 30
DRAWS = torch.Generator().manual_seed(0)
WEIGHT = torch.randn(2, SIZE, generator=DRAWS)
NORMAL = torch.randn(SIZE, generator=DRAWS)
X = torch.rand(N, SIZE, generator=DRAWS)


class Linear(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, x):
        return (x - 0.5) @ self.weight.T


NET, DETECTOR = Linear(WEIGHT), Linear(NORMAL[None])
Y = NET(X).argmax(1)


@cache
def optimum(space, threshold, scale):
    """Return (N,): the largest min(margin, scale (threshold - d)) within the set, in float64.

    By duality it is the least, over mixtures of the two, of the largest value of the mixture, which
    has a closed form; the mixture is one number, searched by golden sections.
    """
    solve = best_linf if isinstance(space, hf.Linf) else best_l2
    weight, normal, x = WEIGHT.double(), NORMAL.double(), X.double()
    margin = weight[1 - Y] - weight[Y]
    accept = (-scale * normal).expand(N, SIZE)
    offsets = (-0.5 * margin.sum(1), scale * (threshold + 0.5 * normal.sum()))

    def largest(mix):
        slope = mix[:, None] * margin + (1 - mix[:, None]) * accept
        best = (slope * solve(x, slope, space.radius)).sum(1)
        return best + mix * offsets[0] + (1 - mix) * offsets[1]

    low, high = torch.zeros(N).double(), torch.ones(N).double()
    for _ in range(60):  # to 3e-13 of the whole
        one, two = low + 0.382 * (high - low), low + 0.618 * (high - low)
        left = largest(one) < largest(two)
        low, high = torch.where(left, low, one), torch.where(left, two, high)
    return largest((low + high) / 2)


def missed(attack, space, threshold, scale):
    """Return what share of the possible rise was missed, and success, where one is feasible."""
    model = Rejecting(NET, DETECTOR, threshold, scale)
    threat = hf.ThreatModel(space, goal=hf.Undetected())
    best = optimum(space, threshold, scale)
    with torch.no_grad():
        rise = best - threat.goal.harm(model(X), Y, None)
    found = hf.attack(model, X, Y, threat=threat, attack=attack, seed=0)
    assert bool((found.harm <= best + 1e-4)[best > 0].all()), "better than the optimum"
    assert not bool(found.success[best < 0].any())
    feasible = best > 0.02 * rise  # a rise that misses 2 % may miss the others
    assert int(feasible.sum()) > 15
    return ((best - found.harm) / rise)[feasible], found.success[feasible]


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("threshold", [-1.0, 0.0])
@pytest.mark.parametrize("eps", [0.1, 0.2])
def test_linf(eps, threshold, scale):
    attack = hf.attacks.FrankWolfe(steps=100, loss=JointMargin())
    gap, success = missed(attack, hf.Linf(eps=eps), threshold, scale)
    assert float(gap.mean()) < 0.01
    assert float(gap.max()) < 0.03
    assert bool(success.all())


@pytest.mark.parametrize("loss", [Margin(), CrossEntropy()], ids=["margin", "ce"])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("threshold", [-1.0, 0.0])
def test_l2(threshold, scale, loss):
    gap, success = missed(hf.attacks.APGD(loss=loss), hf.L2(eps=0.6), threshold, scale)
    assert float(gap.max()) < 0.01
    assert bool(success.all())


def test_signs_go_back_and_forth_between_classifier_and_detector_unless_both_are_climbed():
    hard, _ = missed(hf.attacks.APGD(), hf.Linf(eps=0.1), 0.0, 1.0)
    soft, _ = missed(hf.attacks.APGD(loss=JointMargin()), hf.Linf(eps=0.1), 0.0, 1.0)
    assert float(soft.mean()) < 0.03 < 0.06 < float(hard.mean())


class Unusual(nn.Module):
    """Suspects logits that, put in order, are not those of ordinary inputs; without a gradient."""

    def __init__(self, net, x):
        super().__init__()
        self.net = net
        ordered = net(x).detach().sort(1).values
        self.mean, self.std = ordered.mean(0), ordered.std(0)

    def forward(self, x):
        ordered = self.net(x.detach()).sort(1).values
        return ((ordered - self.mean) / self.std).square().mean(1)


def test_logits_that_look_ordinary_pass_a_detector_that_has_no_gradient():
    net, x, y = digits(150)
    model = reject_at(net, Unusual(net, x[:50]), x[:50], 0.1)
    x, y = x[50:], y[50:]
    right = model(x).argmax(1) == y
    threat = hf.ThreatModel(hf.Linf(eps=0.3), goal=hf.Undetected())

    def broken(loss):
        found = hf.attack(
            model, x, y, threat=threat, attack=hf.attacks.APGD(steps=50, loss=loss), seed=0
        )
        return float(found.success[right].float().mean())

    assert broken(LogitMatch()) > 0.95
    assert broken(Margin()) < 0.85
