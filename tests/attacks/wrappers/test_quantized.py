"""What an image file can hold: on the grid, in the set, judged after rounding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import EOT, PGD, Quantized
from holdfast.errors import ConfigError
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import ThreatModel


@pytest.mark.parametrize("space", [Linf(eps="5/255"), Linf(eps=0.0217), L2(eps=0.16)])
def test_every_value_is_on_the_grid_and_most_successes_survive(space):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    x = (Rng(0, torch.arange(60)).uniform((1, 8, 8)) * 255).round() / 255
    with torch.no_grad():
        y = net(x).argmax(1)
    threat, inner = ThreatModel(space), PGD(steps=10, step_size=0.3)
    free = hf.attack(net, x, y, threat=threat, attack=inner, seed=0)
    found = hf.attack(net, x, y, threat=threat, attack=Quantized(attack=inner), seed=0)
    levels = found.x_adv.double() * 255
    assert float((levels - levels.round()).abs().max()) < 1e-4
    assert bool(space.around(x).contains(found.x_adv).all())
    with torch.no_grad():
        assert torch.equal(found.success, net(found.x_adv).argmax(1) != y)
    assert int(free.success.sum()) > 10
    assert int(found.success.sum()) >= 0.8 * int(free.success.sum())
    assert not torch.equal(free.x_adv, found.x_adv)


def test_one_bit_leaves_black_and_white_and_what_was_there():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).eval()
    x = torch.full((3, 1, 4, 4), 0.25)
    attack = Quantized(attack=PGD(steps=5, step_size=0.5), bits=1)
    found = hf.attack(
        net, x, torch.zeros(3).long(), threat=ThreatModel(Linf(eps=0.9)), attack=attack, seed=0
    )
    assert set(found.x_adv.unique().tolist()) <= {0.0, 0.25, 1.0}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(EOT, {"samples": 0}), (Quantized, {"bits": 0}), (Quantized, {"roundings": 0})],
    ids=str,
)
def test_a_number_that_cannot_be_meant_is_refused_by_name(kind, fields):
    with pytest.raises(ConfigError, match=rf"^[a-z_]+\.{next(iter(fields))} must be"):
        kind(attack=PGD(), **fields)
