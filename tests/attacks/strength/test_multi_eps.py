"""Larger sets first: what that gains where gradients mislead; nothing outside is returned."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from holdfast.attacks import APGD, DDN, MultiEps, Restarts
from holdfast.errors import InputError
from holdfast.losses import DLR
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L0, L1, L2
from holdfast.threat import ThreatModel
from small_nets import digits


class Winners(nn.Module):
    """Keep the twelve largest of 64 activations (k-winners-take-all; Xiao et al., 2020)."""

    def forward(self, x):
        return torch.where(x >= x.topk(12, dim=1).values[:, -1:], x, 0.0)


@cache
def shattered(n=100):
    """Return (net, x, y): a network whose gradients mislead, and digits that it has right."""
    bunch = load_digits()
    x, y = torch.tensor(bunch.images / 16).float()[:, None], torch.tensor(bunch.target)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Flatten(), nn.Linear(64, 64), Winners(), nn.Linear(64, 64), Winners()]
        net = nn.Sequential(*layers, nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(net(x[:1400]), y[:1400]).backward()
        optimizer.step()
    right = (net(x).argmax(1) == y) & (torch.arange(len(y)) >= 1400)
    return net.eval(), x[right][:n], y[right][:n]


def broken(attack, space, net, x, y, seed=0):
    objective = Objective(ThreatModel(space), net, x, y)
    return int(attack(objective, space.around(x), Rng(seed, torch.arange(len(x)))).success.sum())


@pytest.mark.parametrize("space", [L1(eps=1.5), L2(eps=0.6), L0(eps=3)], ids=["l1", "l2", "l0"])
def test_it_breaks_more_at_equal_steps_where_gradients_mislead(space):
    plain = broken(APGD(steps=40), space, *shattered())
    wide = broken(MultiEps(attack=APGD(steps=40)), space, *shattered())
    print(f"{space.sentence()}: APGD {plain}, in larger sets first {wide}")
    assert wide > plain


# adv-lib 0.2.8, apgd(norm=1, loss_function="dlr", use_large_reps=True), 100 steps, the best of
# three seeds on the same 100 digits: 31, 52 and 68. Without larger sets: 29, 52 and 71.
@pytest.mark.parametrize(("eps", "plain", "wide"), [(1.0, 29, 31), (1.5, 52, 52), (2.0, 71, 68)])
def test_apgd_in_l1_breaks_what_a_reference_breaks(eps, plain, wide):
    """The best of three seeds, as of the reference, where one is not enough."""
    apgd, larger = APGD(steps=100, loss=DLR()), MultiEps(attack=APGD(steps=100))
    assert broken(apgd, L1(eps=eps), *digits(100)) >= plain - 1
    tries = (broken(larger, L1(eps=eps), *digits(100), seed=seed) for seed in range(3))
    assert any(found >= wide - 1 for found in tries)


class Seen(nn.Module):
    """Note how far from x each input is."""

    def __init__(self, net, x):
        super().__init__()
        self.net, self.x, self.sizes = net, x, []

    def forward(self, z):
        self.sizes.append((z.detach() - self.x).abs().flatten(1).sum(1))
        return self.net(z)


def test_the_sets_shrink_and_the_last_one_is_the_one_asked_about():
    net, x, y = digits(10)
    seen, space = Seen(net, x), L1(eps=0.5)
    objective = Objective(ThreatModel(space), seen, x, y)
    attack = MultiEps(attack=APGD(steps=50))
    found = attack(objective, space.around(x), Rng(0, torch.arange(10)))
    sizes = torch.stack(seen.sizes)  # (looks, B): 15, 15 and 20 gradients, one look more each
    assert len(sizes) == 53
    for first, last, radius in ((0, 16, 1.5), (16, 32, 1.0), (32, 53, 0.5)):
        assert float(sizes[first:last].max()) == pytest.approx(radius, abs=1e-4)
    assert float(found.size.max()) <= 0.5 * (1 + 1e-5)
    assert bool(space.around(x).contains(found.x_adv).all())


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 99])
def test_all_steps_are_spent_whatever_their_number(steps):
    attack = MultiEps(attack=APGD(steps=steps))
    assert sum(run.steps for _, run in attack.runs()) == steps
    assert attack.runs()[-1][0] == 1
    assert attack.passes()[1] == steps


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiEps(attack=DDN()), "stays within the radius, got DDN"),
        (lambda: MultiEps(attack=Restarts(attack=APGD())), "got Restarts"),
        (lambda: MultiEps(radii=(2.0, 1.0)), "a share for each radius"),
        (lambda: MultiEps(radii=(3.0, 2.0, 1.5)), "ends at radius 1"),
        (lambda: MultiEps(shares=(0.5, 0.5, 0.5)), "add up to 1"),
        (lambda: MultiEps(radii=(0.5, 2.0, 1.0)), "at least 1"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
