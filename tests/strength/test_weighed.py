"""Carlini and Wagner's attacks and their kin against exact least distances, and against peers."""

from __future__ import annotations

import pytest
import torch

from holdfast.attacks import CWL0
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import PixelL0
from holdfast.threat import Targeted, ThreatModel
from least_distance import SPACES, on_linear, on_tiny, run
from small_nets import digits, linear

L0 = SPACES["l0"]


@pytest.mark.parametrize("classes", [2, 10])
def test_l0_reaches_the_closed_form(classes):
    size, exact = on_linear(CWL0(), L0, classes)
    assert float((size - exact).min()) >= 0
    assert float((size - exact).median()) == 0
    assert float((size - exact).max()) <= 1


def test_l0_reaches_the_least_number_on_tiny_networks():
    assert float((on_tiny(CWL0(), "l0") == 0).float().mean()) >= 0.95


def test_l0_counts_pixels_where_the_set_does():
    """Of two classes the least number of pixels is greedy: those that gain most, to their ends."""
    shape = (3, 4, 5)
    net = linear(shape, 2)
    x = Rng(5, torch.arange(20)).uniform(shape)
    with torch.no_grad():
        logits = net(x)
    y = logits.argmax(1)
    normal = (net[1].weight[1 - y] - net[1].weight[y]).detach().reshape(x.shape)
    gains = normal.abs() * torch.where(normal > 0, 1 - x, x)
    total = gains.flatten(2).sum(1).sort(dim=1, descending=True).values.cumsum(1)
    gap = logits.gather(1, y[:, None]) - logits.gather(1, 1 - y[:, None])
    found = run(CWL0(), PixelL0(eps=1), net, x, y)
    assert torch.equal(found.size, 1 + (total < gap).sum(1).to(found.size.dtype))


@pytest.mark.parametrize(("target", "median", "mean"), [(None, 2, 2.05), (1, 3, 3.8), (4, 3, 3.8)])
def test_l0_changes_few_pixels_of_digits(target, median, mean):
    """With adv-lib's sigma-zero the same 40 take 1.975 in the mean; no class is given."""
    net, x, y = digits(40)
    threat, targets = ThreatModel(L0), None
    if target is not None:
        threat, targets = ThreatModel(L0, goal=Targeted()), (y + target) % 10
    objective = Objective(threat, net, x, y, targets=targets)
    found = CWL0()(objective, L0.around(x), Rng(0, torch.arange(40)))
    print(f"CWL0 {target}: {found.size.median():.1f}, mean {found.size.mean():.3f}")
    assert bool(found.reached.all())
    assert float(found.size.median()) <= median
    assert float(found.size.mean()) <= mean
