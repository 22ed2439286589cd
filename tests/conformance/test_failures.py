"""What an attack could not try is a failure, never robustness."""

from __future__ import annotations

import torch
from torch import nn

from conformance_setup import (
    ATTACKS,
    SHAPE,
    allowed,
    each_of,
    every_attack_once,
    plain,
    run,
    same,
    uses_gradients,
)
from holdfast.rng import Rng
from holdfast.threat import Status
from small_nets import batch, mlp


class Mute(nn.Module):
    """Right about everything, and silent when asked for a gradient, in one of several ways."""

    def __init__(self, how, y):
        super().__init__()
        self.how, self.logits = how, nn.functional.one_hot(y, 4).float()

    def forward(self, x):
        moved = x.flatten(1)[:, :4]
        if self.how == "constant":
            return self.logits + 0 * moved
        if self.how == "detached":
            return self.logits + 0.01 * moved.detach()
        if self.how == "rounded":
            return self.logits + 0.01 * (moved * 4).round()
        if self.how == "nan gradient":
            return self.logits + 0.01 * moved + 0 * (0 * moved).sqrt()
        return torch.full_like(self.logits, torch.nan) + moved


HOW = ("constant", "detached", "rounded", "nan gradient", "nan logits")


@each_of(ATTACKS, how=HOW)
def test_what_cannot_move_has_failed_and_is_not_robust(attack, space, how):
    x, y = Rng(0, torch.arange(4)).uniform(SHAPE), torch.arange(4)
    found = run(attack, space, Mute(how, y), x, y)
    expected = Status.FAILED if uses_gradients(attack) or how == "nan logits" else Status.UNBROKEN
    assert found.status == [expected] * 4
    assert bool(allowed(attack, space, x).contains(found.x_adv).all())


@every_attack_once
def test_one_mute_example_does_not_stop_the_others(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    x[3] = 0.5

    class Partly(nn.Module):
        def forward(self, inputs):
            odd = space.around(torch.full_like(inputs, 0.5)).contains(inputs)[:, None]
            return torch.where(odd, torch.nan, net(inputs))

    found = run(attack, space, Partly(), x, y)
    others = torch.arange(8) != 3
    assert found.status[3] == Status.FAILED
    same(plain(attack, space), found, others, others)


class Shy(nn.Module):
    """Answers about unchanged inputs alone; elsewhere every logit is what `says` is."""

    def __init__(self, net, x, says):
        super().__init__()
        self.net, self.x, self.says = net, x, says

    def forward(self, inputs):
        moved = (inputs != self.x).flatten(1).any(1)[:, None]
        return torch.where(moved, self.says, self.net(inputs))


@every_attack_once
def test_no_number_off_the_unchanged_inputs_is_a_failure_not_robustness(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    found = run(attack, space, Shy(net, x, torch.full((8, 1), torch.nan)), x, y)
    assert found.status == [Status.FAILED] * 8
    assert bool(found.lost.all())


@every_attack_once
def test_an_infinite_logit_of_a_wrong_class_breaks(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    says = net(x).detach().scatter(1, ((y + 1) % 4)[:, None], torch.inf)
    found = run(attack, space, Shy(net, x, says), x, y)
    assert found.status == [Status.BROKEN] * 8 or attack.demands().nearest
    assert bool(found.harm.isposinf().all())
