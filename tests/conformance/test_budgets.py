"""More is never weaker, and passes are counted, stated and few."""

from __future__ import annotations

import time
from dataclasses import fields, replace

import pytest
import torch

from components import SPACES
from conformance_setup import (
    ATTACKS,
    SHAPE,
    allowed,
    each_of,
    every_attack,
    every_attack_once,
    run,
    same,
)
from holdfast.attacks import PGD, Attack, Restarts, keep_nearest, keep_worst, worst
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import ThreatModel
from small_nets import Passes, batch, mlp

COMPOSED = [a for a in ATTACKS if a.values[0].parts() != (a.values[0],)]


def stronger(attack):
    """Return the attack with about twice its budget, or None if it has none to raise."""
    for name in ("steps", "queries", "restarts", "top"):
        if hasattr(attack, name):
            return replace(attack, **{name: 2 * getattr(attack, name)})
    if hasattr(attack, "attack"):
        return replace(attack, attack=stronger(attack.attack))
    return None


@every_attack_once
def test_more_is_never_weaker(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=64)
    found = run(attack, space, net, x, y)
    wider = replace(space, eps=2 * space.radius)
    assert bool(allowed(attack, wider, x).contains(found.x_adv).all())
    if attack.demands().nearest:
        other = run(stronger(attack), space, net, x, y)
        union = keep_nearest(found, other)
        assert torch.equal(union.size, torch.minimum(found.size, other.size))
        assert torch.equal(union.reached, found.reached | other.reached)
        assert float(other.size.median()) <= 1.02 * float(found.size.median())
        return
    more = [run(attack, wider, net, x, y)]
    if stronger(attack) is not None:
        more.append(run(stronger(attack), space, net, x, y))
    for other in more:  # the walks differ, so a few examples end on another hill
        assert float(other.harm.mean()) > float(found.harm.mean()) - 0.1
        union = keep_worst(found, other)
        assert bool((union.harm >= found.harm).all())
        assert bool((union.success >= found.success).all())
        assert torch.equal(union.success, found.success | other.success)
        assert torch.equal(union.cost.forward, found.cost.forward + other.cost.forward)


PREFIX = {"bim", "mifgsm", "pgd"}  # the first steps of a longer run are the shorter run


@each_of([a for a in ATTACKS if a.id in PREFIX])
def test_a_longer_walk_contains_the_shorter_one(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=24)
    rng, region = Rng(0, torch.arange(24)), space.around(x)
    short, long = (
        worst(a, Objective(ThreatModel(space), net, x, y), region, rng)
        for a in (attack, stronger(attack))
    )
    assert bool((long.harm >= short.harm).all())


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_more_restarts_contain_the_fewer(space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=24)
    few, many = (run(Restarts(attack=PGD(steps=3), restarts=r), space, net, x, y) for r in (2, 5))
    assert bool((many.harm >= few.harm).all())
    assert bool((many.harm > few.harm).any())


def values(attack):
    """Return the fields of an attack and of the attacks inside it, by name."""
    found = {f.name: getattr(attack, f.name) for f in fields(attack)}
    for inner in list(found.values()):
        if isinstance(inner, Attack):
            found = {**values(inner), **found}
    return found


def formula(attack):
    """Evaluate the cost that an attack states in words: (forward, backward) per example."""
    text = attack.cost().replace("at most ", "").replace(" x ", " * ")
    forward, backward = text.removesuffix(" backward").split(" forward, ")
    return eval(forward, {}, values(attack)), eval(backward, {}, values(attack))


@every_attack
def test_counted_passes_are_real_passes_and_the_stated_cost(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    counter = Passes(net)
    found = run(attack, space, counter, x, y)
    forward, backward = attack.passes()
    assert formula(attack) == (forward, backward)
    cost = found.cost
    # It ends once no example has anything left to do; inside of a formula it means few classes.
    if attack.cost().startswith("at most"):
        assert int(cost.forward[0]) <= forward
        assert int(cost.backward[0]) <= backward
        forward, backward = int(cost.forward[0]), int(cost.backward[0])
    assert cost.forward.tolist() == [forward] * 8
    assert cost.backward.tolist() == [backward] * 8
    assert cost.queries.tolist() == [forward] * 8
    assert (counter.forward_passes, counter.backward_passes) == (8 * forward, 8 * backward)


@each_of(COMPOSED)
def test_called_or_walked_a_composed_attack_is_the_same(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    called = run(attack, space, net, x, y)
    objective = Objective(ThreatModel(space), net, x, y)
    walked = worst(attack, objective, space.around(x), Rng(0, torch.arange(8)))
    same(called, walked)
    assert torch.equal(called.cost.forward, walked.cost.forward)


@every_attack_once
def test_a_batch_takes_less_than_two_seconds(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=32)
    began = time.process_time()
    run(attack, space, net, x, y)
    assert time.process_time() - began < 2
