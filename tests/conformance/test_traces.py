"""No attack leaves a trace, in the model, in a global generator or in itself."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from conformance_setup import (
    ATTACKS,
    SHAPE,
    default_type,
    each_of,
    every_attack_once,
    run,
    same,
)
from holdfast.rng import Rng
from small_nets import batch, mlp


class Stateful(nn.Module):
    """Everything that an attack could disturb: batch statistics, dropout, gradients, flags."""

    def __init__(self, raises_at=None):
        super().__init__()
        self.net = nn.Sequential(mlp(SHAPE, classes=6), nn.BatchNorm1d(6), nn.Dropout(0.5))
        self.net.train()
        self.net[0].eval()
        self.net[0][1].bias.requires_grad_(False)
        self.raises_at = raises_at
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls == self.raises_at:
            raise RuntimeError("out of luck")
        return self.net(x)


def everything(net):
    return (
        {name: value.clone() for name, value in net.state_dict().items()},
        [module.training for module in net.modules()],
        [p.requires_grad for p in net.parameters()],
        [None if p.grad is None else p.grad.clone() for p in net.parameters()],
        torch.get_rng_state(),
        np.random.get_state()[1].tolist(),  # noqa: NPY002
        random.getstate(),
        torch.is_grad_enabled(),
    )


def unchanged(before, after):
    for a, b in zip(before, after, strict=True):
        if isinstance(a, dict):
            assert all(torch.equal(a[key], b[key]) for key in a)
        elif isinstance(a, torch.Tensor):
            assert torch.equal(a, b)
        elif isinstance(a, list) and any(isinstance(item, torch.Tensor) for item in a):
            for one, two in zip(a, b, strict=True):
                assert (one is None) == (two is None)
                assert one is None or torch.equal(one, two)
        else:
            assert a == b


@each_of(ATTACKS, raises_at=[None, 1, 2])
def test_nothing_is_left_behind(attack, space, raises_at):
    net = Stateful(raises_at)
    next(net.parameters()).grad = torch.full_like(next(net.parameters()), 2.0)
    x, y = Rng(0, torch.arange(4)).uniform(SHAPE), torch.arange(4)
    before = everything(net)
    if raises_at is None:
        run(attack, space, net, x, y)
    else:
        with pytest.raises(RuntimeError, match="out of luck"):
            run(attack, space, net, x, y)
    unchanged(before, everything(net))


@every_attack_once
def test_deterministic_and_without_memory(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    first_time = run(attack, space, net, x, y)
    torch.manual_seed(99)
    same(first_time, run(copy.deepcopy(attack), space, net, x, y))
    # A caller's mode must not turn a gradient off, and a caller's type must not become ours.
    with torch.no_grad(), default_type(torch.float64):
        same(first_time, run(attack, space, net, x, y))
