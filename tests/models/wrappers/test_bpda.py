"""Twins for a search: exact values, usable gradients, weights shared and left alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import PGD
from holdfast.errors import InputError
from holdfast.models import StraightThrough, bpda, imitate, wrap
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel

THREAT = ThreatModel(Linf(eps=0.15))


class Round(nn.Module):
    def forward(self, x):
        return (x * 15).round() / 15


class Halve(nn.Module):
    """A step that changes the shape and has no gradient."""

    def forward(self, x):
        return (x[:, ::2] > 0.5).float()


def linear(features=20, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(features, 3))
        x = torch.rand(40, 20)
    return net, x


def test_a_rounding_defence_falls_to_its_twin_and_not_to_plain_steps():
    net, x = linear()
    defended = nn.Sequential(Round(), net).eval()
    with torch.no_grad():
        y = defended(x).argmax(1)
        undefended = wrap(net)
    attack = PGD(steps=20, step_size=0.2)
    plain = hf.attack(defended, x, y, threat=THREAT, attack=attack, seed=0)
    assert not bool(plain.success.any() & (plain.cost.backward > 0).any()) or bool(
        plain.failed.any()
    )
    found = hf.attack(
        defended, x, y, threat=THREAT, attack=attack, surrogate=bpda(defended, {"0": None}), seed=0
    )
    free = hf.attack(undefended, x, y, threat=THREAT, attack=attack, seed=0)
    assert int(plain.success.sum()) < int(found.success.sum()) / 3
    assert int(found.success.sum()) >= int(free.success.sum()) - 2  # what the network alone loses
    with torch.no_grad():
        assert torch.equal(found.success, defended(found.x_adv).argmax(1) != y)


def test_the_twin_has_the_models_values_bit_for_bit_and_its_weights():
    net, x = linear()
    defended = wrap(nn.Sequential(Round(), net), normalize=(0.4, 0.3))
    twin = bpda(defended, {"0": None})
    assert torch.equal(twin(x), defended(x))
    assert twin.module[1][0].weight is defended.module[1][0].weight
    assert isinstance(defended.module[0], Round)
    assert twin.range == defended.range


def test_a_differentiable_twin_gives_the_slope():
    x = torch.rand(5, 4, requires_grad=True)
    step = StraightThrough(torch.round, lambda x: x**2)
    value = step(x)
    assert torch.equal(value, x.detach().round())
    (grad,) = torch.autograd.grad(value.sum(), x)
    assert torch.allclose(grad, 2 * x.detach())


def test_a_learned_twin_replaces_a_step_whose_identity_has_another_shape():
    net, x = linear(features=10)
    step = Halve()
    defended = nn.Sequential(step, net).eval()
    with torch.no_grad():
        y = defended(x).argmax(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        learned = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
        data = torch.rand(500, 20)
    imitate(step, learned, data, steps=200, lr=1e-2)
    attack = PGD(steps=20, step_size=0.2)
    plain = hf.attack(defended, x, y, threat=THREAT, attack=attack, seed=0)
    twin = bpda(defended, {"0": learned})
    found = hf.attack(defended, x, y, threat=THREAT, attack=attack, surrogate=twin, seed=0)
    assert int(found.success.sum()) > int(plain.success.sum()) + 5


def test_mistakes_are_named():
    net, x = linear(features=10)
    defended = nn.Sequential(Halve(), net)
    with pytest.raises(InputError, match="no module 'halve'; known: 0, 1"):
        bpda(defended, {"halve": None})
    with pytest.raises(InputError, match="give a differentiable twin"):
        bpda(defended, {"0": None})(x)
    with pytest.raises(InputError, match="surrogate takes inputs in"):
        other = wrap(net, range=(0.0, 2.0))
        hf.attack(net, x[:, :10], torch.zeros(40).long(), threat=THREAT, surrogate=other, seed=0)
