"""What an attack finds for an example is its own: neither mates nor memory layout matter."""

from __future__ import annotations

import pytest
import torch

from conformance_setup import (
    ATTACKS,
    SHAPE,
    each_of,
    every_attack,
    every_attack_once,
    plain,
    run,
    same,
)
from holdfast.attacks import first
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import ThreatModel
from small_nets import batch, mlp


@every_attack_once
def test_an_example_does_not_notice_its_batch_mates(attack, space):
    """Same shape, other mates and other places: bit-equal rows."""
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=9)
    order = torch.tensor([5, 8, 2, 8, 0, 7, 8, 8])  # four stay, elsewhere; the others are replaced
    moved = run(attack, space, net, x[order], y[order], ids=order)
    kept = order < 8
    same(plain(attack, space), moved, order[kept], kept)


def assert_broken_ones_keep_their_points(attack, space, chosen):
    """`first` goes on for mates that stand; what it returns for the others stays the same."""
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=9)
    threat = ThreatModel(space)
    y[8] = net(x[8:]).argmin(1)  # wrong from the start
    fragile = torch.tensor([0, 8, 8, 8, 8, 8, 8, 8])

    def end(order):
        objective = Objective(threat, net, x[order], y[order])
        return first(attack, objective, space.around(x[order]), attack.own(Rng(0, order)))

    together = end(torch.arange(8))
    for i in together.success.nonzero().flatten()[chosen].tolist():
        fragile[0] = i
        same(together, end(fragile), i, 0)


@every_attack_once
def test_an_example_that_broke_keeps_its_point_whatever_its_mates_do(attack, space):
    """The first two that broke; all of them are `slow`."""
    assert_broken_ones_keep_their_points(attack, space, slice(2))


@pytest.mark.slow
@every_attack
def test_every_example_that_broke_keeps_its_point(attack, space):
    assert_broken_ones_keep_their_points(attack, space, slice(2, None))


@every_attack_once
def test_how_the_batch_lies_in_memory_does_not_matter(attack, space):
    """Permuted and asking for gradients; and one example eight times, in the memory of one."""
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    expected = plain(attack, space).harm
    one, first_y = x[:1].expand(8, *SHAPE), y[:1].expand(8)
    found = run(attack, space, net, one, first_y, ids=torch.zeros(8, dtype=torch.int64))
    assert torch.allclose(expected[:1].expand(8), found.harm, atol=1e-4)
    x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).requires_grad_()
    found = run(attack, space, net, x, y)
    assert torch.allclose(expected, found.harm, atol=1e-4)
    assert not found.x_adv.requires_grad
    assert x.grad is None


@each_of(ATTACKS, once=True, n=[0, 1])
def test_tiny_batches(attack, space, n):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    found = run(attack, space, net, x[:n], y[:n])
    assert found.x_adv.shape == (n, *SHAPE)
    assert len(found.status) == n
    assert all(len(part) == n for part in found.cost)
