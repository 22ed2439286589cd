"""What an attack finds for an example is its own: neither mates nor memory layout matter."""

from __future__ import annotations

import pytest
import torch

from conformance_setup import (
    SHAPE,
    every_attack,
    run,
    same,
)
from holdfast.attacks import first
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import ThreatModel
from small_nets import batch, mlp


@every_attack
def test_an_example_does_not_notice_its_batch_mates(attack, space):
    """Same shape, other mates and other places: bit-equal rows."""
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=9)
    whole = run(attack, space, net, x[:8], y[:8])
    order = torch.tensor([5, 8, 2, 8, 0, 7, 8, 8])  # four stay, elsewhere; the others are replaced
    moved = run(attack, space, net, x[order], y[order], ids=order)
    kept = order < 8
    same(whole, moved, order[kept], kept)


@every_attack
def test_an_example_that_broke_keeps_its_point_whatever_its_mates_do(attack, space):
    """`first` goes on for mates that stand; what it returns for the others stays the same."""
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=9)
    threat, broken = ThreatModel(space), torch.zeros(8, dtype=torch.bool)
    y[8] = net(x[8:]).argmin(1)  # wrong from the start
    fragile = torch.tensor([0, 8, 8, 8, 8, 8, 8, 8])

    def end(order):
        objective = Objective(threat, net, x[order], y[order])
        return first(attack, objective, space.around(x[order]), attack.own(Rng(0, order)))

    together = end(torch.arange(8))
    for i in together.success.nonzero().flatten().tolist():
        fragile[0] = i
        same(together, end(fragile), i, 0)
        broken[i] = True
    assert torch.equal(broken, together.success)


@every_attack
@pytest.mark.parametrize("layout", ["permuted", "expanded", "requires_grad"])
def test_how_the_batch_lies_in_memory_does_not_matter(attack, space, layout):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    if layout == "expanded":
        x, y = x[:1].expand(8, *SHAPE), y[:1].expand(8)
    plain = run(attack, space, net, x.contiguous().clone(), y.clone())
    if layout == "permuted":
        x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    if layout == "requires_grad":
        x = x.clone().requires_grad_()
    found = run(attack, space, net, x, y)
    assert torch.allclose(plain.harm, found.harm, atol=1e-4)
    assert not found.x_adv.requires_grad
    assert x.grad is None


@every_attack
@pytest.mark.parametrize("n", [0, 1])
def test_tiny_batches(attack, space, n):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    found = run(attack, space, net, x[:n], y[:n])
    assert found.x_adv.shape == (n, *SHAPE)
    assert len(found.status) == n
    assert all(len(part) == n for part in found.cost)
