"""What holds of the points that any attack returns; a new one is tested by being registered."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import nn

from components import WIDE
from conformance_setup import (
    ATTACKS,
    SHAPE,
    allowed,
    each_of,
    every_attack_once,
    judged,
    run,
    uses_gradients,
)
from holdfast.attacks.core.base import walk_of
from holdfast.components import name_of
from holdfast.losses import DLR, KL, CrossEntropy, Margin, ScaledCrossEntropy
from holdfast.models import wrap
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import Status, Targeted, ThreatModel
from small_nets import Passes, Scale, batch, mlp

WITH_LOSS = [a for a in ATTACKS if any(f.name == "loss" for f in fields(a.values[0]))]


@each_of(
    ATTACKS,
    shape=[(30,), (6, 5), (2, 4, 5), (2, 2, 3, 4)],
    dtype={"float32": torch.float32, "float64": torch.float64},
)
def test_feasible_and_the_status_is_what_the_model_says(attack, space, shape, dtype):
    net = mlp(shape).to(dtype)
    x, y = batch(net, shape)
    x = x.to(dtype)
    before = x.clone()
    found = run(attack, space, net, x, y)
    assert torch.equal(x, before)
    assert found.x_adv.shape == x.shape
    assert found.x_adv.dtype == dtype
    assert not found.x_adv.requires_grad
    assert bool(allowed(attack, space, x).contains(found.x_adv).all())
    inside = space.around(x).contains(found.x_adv)
    assert torch.equal(found.inside, inside)
    harm, tie = judged(net, found.x_adv, y)
    assert torch.allclose(found.harm, harm, rtol=1e-4, atol=1e-5)
    assert torch.equal(found.reached, harm > tie)
    assert torch.equal(found.success, (harm > tie) & inside)
    for status, broken in zip(found.status, found.success.tolist(), strict=True):
        assert status == (Status.BROKEN if broken else Status.UNBROKEN)
    clean, _ = judged(net, x, y)
    assert float((found.harm - clean).mean()) > 0
    assert bool((found.size[inside & found.reached] <= space.radius * (1 + 1e-5)).all())
    if attack.demands().nearest:
        size = space.around(x).size(found.x_adv)
        assert torch.equal(found.size, torch.where(found.reached, size, torch.inf))


@each_of(ATTACKS, classes=[1, 2, 3, 12], loss={"own": None, "ce": CrossEntropy(), "dlr": DLR()})
def test_any_number_of_classes(attack, space, classes, loss):
    net = wrap(mlp(SHAPE, classes=classes))
    x, y = batch(net, SHAPE)
    found = run(attack, space, net, x, y, loss=loss)
    clean, _ = judged(net, x, y)
    assert bool(found.harm.isfinite().all())
    assert float((found.harm - clean).mean()) > 0
    assert set(found.status) <= {Status.BROKEN, Status.UNBROKEN}


@each_of(WITH_LOSS, loss=[CrossEntropy(), ScaledCrossEntropy(), Margin(), DLR(), KL()])
def test_any_loss(attack, space, loss):
    net = mlp(SHAPE, classes=6)
    x, y = batch(net, SHAPE)
    counter = Passes(net)
    found = run(replace(attack, loss=loss), space, counter, x, y)
    clean, _ = judged(net, x, y)
    # FGSM and BIM start where a divergence has no gradient
    if not isinstance(loss, KL) or getattr(attack, "start", None) is not None:
        assert float((found.harm - clean).mean()) > 0
    assert counter.forward_passes == int(found.cost.forward.sum())


@every_attack_once
def test_examples_that_are_wrong_already_are_broken(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    found = run(attack, space, net, x, (y + 1) % 4)
    assert found.status == [Status.BROKEN] * 8


@every_attack_once
def test_a_targeted_run_reaches_its_target(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=16)
    goal = Targeted()
    targets = (y + 1 + torch.arange(16) % 3) % 4
    wide = replace(space, eps=WIDE[name_of(type(space))])
    found = run(attack, wide, net, x, y, goal=goal, targets=targets)
    with torch.no_grad():
        clean, logits = goal.harm(net(x), y, targets), net(found.x_adv)
    assert torch.equal(found.reached, logits.argmax(1) == targets)
    assert float((found.harm - clean).mean()) > 0
    if getattr(attack, "steps", 1) > 1 or uses_gradients(attack):
        assert float(found.reached.float().mean()) >= 0.5
    if getattr(attack, "steps", 1) >= 5:
        assert float(found.reached.float().mean()) >= 0.9
    to_two = run(attack, wide, net, x, y, goal=Targeted(to=2))
    with torch.no_grad():
        assert torch.equal(to_two.reached, net(to_two.x_adv).argmax(1) == 2)


@each_of(ATTACKS, power=[10, -10, -27, -100], loss={"own": None, "dlr": DLR()})
def test_the_scale_of_the_logits_does_not_matter(attack, space, power, loss):
    # Powers of two round alike: what differs is not rounding. DLR underflows at the smallest.
    scale = 2.0 ** (power if loss is None else max(power, -50))
    net = mlp(SHAPE, seed=3)
    x, y = batch(net, SHAPE, n=16)
    scaled = nn.Sequential(net, Scale(scale))
    plain = run(attack, space, net, x, y, loss=loss)
    found = run(attack, space, scaled, x, y, loss=loss)
    assert torch.allclose(found.harm / scale, plain.harm, rtol=0.02, atol=0.02)
    assert int((found.success != plain.success).sum()) <= 1
    assert not bool(found.failed.any())


@every_attack_once
def test_a_radius_per_example(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=4)
    radius = torch.tensor([0.0, 0.5, 1.0, 2.0]) * space.radius
    region = space.around(x, radius)
    found = attack(Objective(ThreatModel(space), net, x, y), region, Rng(0, torch.arange(4)))
    assert bool(walk_of(attack, region).contains(found.x_adv).all())
    assert torch.equal(found.inside, region.contains(found.x_adv))
    assert torch.equal(found.x_adv[0], x[0]) or attack.demands().nearest
    whole = run(attack, space, net, x, y)
    assert torch.equal(found.x_adv[2], whole.x_adv[2])
