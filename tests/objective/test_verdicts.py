"""Verdicts compare two logits: no constant, scale or masked class beside them changes any."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import APGD, FAB, MALT, PGD, DeepFool, EachTarget
from holdfast.losses import DLR, Margin
from holdfast.models import Rejecting
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import Targeted, ThreatModel, Undetected, Untargeted

N = 64
LEAST = torch.finfo(torch.float32).min
Y = torch.arange(N) % 3
MARGIN = 10 ** torch.linspace(-2.9, 0, N) * torch.tensor([1.0, -1.0]).repeat(N // 2)


class Head(nn.Module):
    """Logits of a few classes, changed by a function; x holds them."""

    def __init__(self, change=lambda z: z):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(x)


def logits():
    """Three classes; the best wrong one is above the label's by MARGIN."""
    z = torch.full((N, 3), -2.0).scatter(1, Y[:, None], 0.3)
    return z.scatter(1, ((Y + 1) % 3)[:, None], 0.3 + MARGIN[:, None])


def with_masks(value, count=4):
    return lambda z: torch.cat([z, torch.full((len(z), count), value, dtype=z.dtype)], 1)


CHANGES = {
    "masked at -1e9": with_masks(-1e9),
    "masked at -inf": with_masks(-torch.inf),
    "masked at the least number": with_masks(LEAST),
    "a constant": lambda z: z + 1e3,
    "a scale": lambda z: 1e7 * with_masks(-1e9)(z),
    "a small scale": lambda z: with_masks(-1e9)(1e-7 * z),
    "several networks": lambda z: torch.stack([with_masks(-1e9)(z + 0.1), with_masks(-3e9)(z)]),
    "float64": lambda z: with_masks(-1e12)(z.double()),
}


def verdict(net, goal):
    threat = ThreatModel(Linf(eps=0.1, range=(-10, 10)), goal=goal)
    targets = (Y + 1) % 3 if isinstance(goal, Targeted) else None
    score = Objective(threat, net, logits(), Y, targets=targets).verdict(logits())
    return (score.harm > score.tie).tolist(), (score.harm.abs() <= score.tie).tolist()


@pytest.mark.parametrize("goal", [Untargeted(), Targeted()], ids=["untargeted", "targeted"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_does_not_compete_changes_no_verdict(change, goal):
    broken, tied = verdict(Head(change), goal)
    assert broken == (MARGIN > 0).tolist()
    assert not any(tied)


@pytest.mark.parametrize("value", [-1e9, -torch.inf])
def test_a_detector_behind_a_masked_head_decides_the_same(value):
    """The rejection stands for the label where it is larger."""

    class Suspicion(nn.Module):
        def forward(self, x):
            return torch.arange(float(N)) % 2

    def model(net):
        return Rejecting(net, Suspicion(), 0.5)

    broken, tied = verdict(model(Head(with_masks(value))), Undetected())
    assert (broken, tied) == verdict(model(Head()), Undetected())
    assert 0 < sum(broken) < N


def test_a_difference_within_the_rounding_of_the_two_is_a_tie():
    shifted = Head(lambda z: z + 1e6)  # float32 holds steps of 1/16 there
    _, tied = verdict(shifted, Untargeted())
    assert all(tied[: N // 2])
    assert not any(verdict(Head(lambda z: z + 1e3), Untargeted())[1])


ALONE = {
    "one of two": lambda z: with_masks(-torch.inf, 1)(z[:, :1]),
    "one of seven": lambda z: with_masks(-torch.inf, 6)(z[:, :1]),
    "all but the first, where they are": lambda z: torch.where(
        torch.tensor([False, True, True]), -torch.inf, z
    ),
}
ATTACKS = [
    PGD(steps=4, loss=Margin()),
    APGD(steps=8, loss=DLR()),
    EachTarget(attack=APGD(steps=8, loss=DLR()), top=2),
    MALT(attack=APGD(steps=8, loss=DLR()), top=2),
    DeepFool(steps=4),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("change", ALONE.values(), ids=ALONE)
def test_where_only_masked_rivals_are_left_the_goal_is_far_and_nothing_overflows(attack, change):
    """The label is the one class that the network can say, or it is not."""
    net = Head(change)
    x, y = torch.full((4, 3), 0.5), torch.tensor([0, 0, 1, 1])
    threat = ThreatModel(L2(eps=0.2))
    objective = Objective(threat, net, x, y)
    found = attack(objective, threat.space.around(x), Rng(0, torch.arange(4)))
    assert [str(status) for status in found.status] == ["unbroken"] * 2 + ["broken"] * 2


def test_masked_classes_are_no_rivals_unless_none_else_is_left():
    logits = torch.tensor([[3.0, 1, -1e9, 2, -torch.inf], [3.0, -1e9, -2e9, -3e9, -4e9]])
    objective = Objective(ThreatModel(Linf(eps=0.1)), Head(), logits, torch.tensor([0, 0]))
    ranks = [objective.ranked(rank).tolist() for rank in (1, 2, 3, 4)]
    assert ranks == [[3, 1], [1, 1], [3, 1], [1, 1]]
    z = logits.requires_grad_()
    _, gaps, _ = objective.gaps(z, z, Rng(0, torch.arange(2)), top=4)
    assert gaps[0].tolist() == [-1, -2, -1, -1]
    assert gaps[1].tolist() == [-1e9] * 4


@pytest.mark.parametrize(
    "attack",
    [
        APGD(steps=4),
        EachTarget(attack=APGD(steps=3, loss=DLR()), top=2),
        DeepFool(steps=3),
        FAB(steps=3),
    ],
    ids=lambda attack: type(attack).__name__,
)
@pytest.mark.parametrize("double", [False, True], ids=["float64 of float32", "the reverse"])
def test_a_network_may_return_another_type_than_it_is_given(double, attack):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
    net = net.double() if double else net
    x = logits()
    y = net(x.to(net[0].weight.dtype)).argmax(1)
    threat = ThreatModel(Linf(eps=0.5, range=(-10, 10)))
    other = nn.Sequential(net, Head(lambda z: z.float() if double else z.double()))
    expected = hf.attack(hf.wrap(net, range=(-10, 10)), x, y, threat=threat, attack=attack, seed=0)
    found = hf.attack(hf.wrap(other, range=(-10, 10)), x, y, threat=threat, attack=attack, seed=0)
    assert torch.equal(found.success, expected.success)
    assert 0 < int(found.success.sum()) < N
