"""Defenses that hide gradients: the number that each fakes, and the honest one to be found."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from holdfast.attacks import APGD, PGD, Square
from holdfast.losses import DLR, CrossEntropy, Margin, ScaledCrossEntropy
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import Status, ThreatModel

SPACE = Linf(eps=0.2)


class Defended(nn.Module):
    """A plainly trained network behind something that hides its gradients."""

    def __init__(self, net, before=None, after=None):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x):
        x = x if self.before is None else self.before(x)
        logits = self.net(x)
        return logits if self.after is None else self.after(logits)


@pytest.fixture(scope="module")
def digits():
    """A small network trained on 8 x 8 digits, and a hundred images that it gets right."""
    data = load_digits()
    x = torch.from_numpy(data.images).float()[:, None] / 16
    y = torch.from_numpy(data.target).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[:1200]), y[:1200]).backward()
        optimizer.step()
    net.eval().requires_grad_(False)
    x, y = x[1200:], y[1200:]
    right = (net(x).argmax(1) == y).nonzero().squeeze(1)[:100]
    return net, x[right], y[right]


def run(attack, net, x, y):
    objective = Objective(ThreatModel(SPACE), net, x, y)
    return attack(objective, SPACE.around(x), Rng(0, torch.arange(len(x))))


def naive(net, x, y, steps=40):
    """Return the robust accuracy that a hand-written loop reports: cross-entropy, last iterate."""
    moved = x.clone()
    for _ in range(steps):
        moved.requires_grad_()
        loss = nn.functional.cross_entropy(net(moved), y)
        grad = torch.zeros_like(x)
        if loss.requires_grad:
            (grad,) = torch.autograd.grad(loss, moved, allow_unused=True)
        step = 0 if grad is None else 0.02 * grad.sign()
        moved = (moved.detach() + step).clamp(x - 0.2, x + 0.2).clamp(0, 1)
    with torch.no_grad():
        return float((net(moved).argmax(1) == y).float().mean())


def held(found):
    """Return the share of examples that the attack calls unbroken."""
    return sum(status == Status.UNBROKEN for status in found.status) / len(found.status)


def failed(found):
    return sum(status == Status.FAILED for status in found.status) / len(found.status)


def test_without_a_defence_nothing_holds(digits):
    net, x, y = digits
    assert naive(net, x, y) < 0.05
    assert held(run(PGD(), net, x, y)) < 0.05


def test_large_logits_hide_the_gradient_of_the_cross_entropy(digits):
    """The trap: in float32 the softmax is exactly one-hot, so cross-entropy has no gradient."""
    net, x, y = digits
    masked = Defended(net, after=lambda logits: 1000 * logits)
    assert naive(masked, x, y) > 0.8
    trapped = run(PGD(loss=CrossEntropy()), masked, x, y)
    assert held(trapped) < 0.05  # what holds has failed, and says so
    assert failed(trapped) > 0.8
    for loss in (Margin(), DLR(), ScaledCrossEntropy()):
        assert held(run(PGD(loss=loss), masked, x, y)) < 0.05
        assert held(run(APGD(steps=30, loss=loss), masked, x, y)) < 0.05
        assert failed(run(PGD(loss=loss), masked, x, y)) == 0


def round_to(levels):
    return lambda x: (x * levels).round() / levels


def test_rounded_inputs_have_no_gradient(digits):
    """The trap: the gradient is zero everywhere, so the naive loop never moves."""
    net, x, y = digits
    rounded = Defended(net, before=round_to(15))
    assert naive(rounded, x, y) > 0.95
    found = run(PGD(), rounded, x, y)
    assert held(found) == 0
    assert failed(found) > 0.5
    assert held(run(APGD(steps=20), rounded, x, y)) == 0
    assert held(run(Square(queries=1000), rounded, x, y)) < 0.25


def test_a_detached_forward_has_no_gradient(digits):
    net, x, y = digits
    detached = Defended(net, before=lambda x: x.detach())
    assert naive(detached, x, y) > 0.95
    found = run(PGD(), detached, x, y)
    assert held(found) == 0
    assert failed(found) > 0.5
    assert int(found.cost.backward.sum()) == 0
    assert held(run(Square(queries=1000), detached, x, y)) < 0.25


def test_a_gradient_that_is_not_a_number_is_a_failure(digits):
    net, x, y = digits
    poisoned = Defended(net, before=lambda x: x + 0 * (0 * x).sqrt())
    found = run(PGD(), poisoned, x, y)
    assert held(found) == 0
    assert failed(found) > 0.5


def test_confident_probabilities_in_place_of_logits(digits):
    """The trap: a softmax that is one-hot in float32 passes on no gradient, whatever the loss."""
    net, x, y = digits
    double = Defended(net, after=lambda logits: (10 * logits).softmax(1))
    fake = naive(double, x, y)
    assert fake > 0.1
    for loss in (Margin(), DLR(), ScaledCrossEntropy()):
        found = run(APGD(steps=40, loss=loss), double, x, y)
        assert held(found) < 0.05
        assert 0.05 < failed(found) <= fake  # not robust, and not counted as such


def test_a_sawtooth_misleads_every_gradient(digits):
    """The trap: a small steep sawtooth turns every sign of the gradient around, honest or not.

    A walk along it fails without knowing; a search without gradients is what tells.
    """
    net, x, y = digits
    tooth = Defended(net, before=lambda x: x - 2 * torch.remainder(x, 1 / 64))
    assert naive(tooth, x, y) > 0.9
    assert held(run(PGD(), tooth, x, y)) > 0.5
    assert held(run(Square(queries=1000), tooth, x, y)) < 0.25


def test_a_walk_that_ends_badly_still_counts_its_worst_point(digits):
    """The last iterate is back where it began; the worst of the walk is what counts."""
    _, x, y = digits

    class Hill(nn.Module):
        """Harm rises over half of the radius and falls to nothing beyond."""

        def forward(self, inputs):
            reach = (inputs - x).flatten(1).abs().amax(1) / 0.2
            return torch.stack([0.5 - torch.sin(3.14159 * reach), torch.zeros(len(x))], dim=1)

    found = run(PGD(steps=20, step_size=0.11), Hill(), x, torch.zeros_like(y))
    assert held(found) == 0
    assert failed(found) == 0
