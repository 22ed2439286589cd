"""What every attack must hold, whatever it does; a new attack is tested by being registered."""

from __future__ import annotations

import copy
import random
import re
import time
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import nn

from components import SPACES, WIDE, small_attacks
from holdfast.attacks import PGD, Attack, Restarts, first, keep_nearest, keep_worst, worst
from holdfast.attacks.base import walk_of
from holdfast.losses import DLR, KL, CrossEntropy, Margin, ScaledCrossEntropy
from holdfast.models import wrap
from holdfast.objective import Objective
from holdfast.registry import name_of
from holdfast.rng import Rng
from holdfast.spaces import PixelL0
from holdfast.threat import Counting, Knowledge, Paintable, Status, Targeted, ThreatModel, tolerance
from small_nets import Passes, Scale, batch, mlp

ATTACKS = small_attacks()
SHAPE = (2, 4, 5)

WITH_LOSS = [a for a in ATTACKS if any(f.name == "loss" for f in fields(a.values[0]))]
COMPOSED = [a for a in ATTACKS if a.values[0].parts() != (a.values[0],)]


def fits(attack, space):
    """Say whether to run it there: pixels are L0 to an attack that knows nothing of places."""
    if isinstance(space, PixelL0) and not {Counting, Paintable} & set(attack.demands().needs):
        return False
    region = space.around(torch.rand(1, *SHAPE))
    return all(isinstance(region, need) for need in attack.demands().needs)


def each_of(attacks):
    """Run a test for the attacks in every space that their `needs` allow."""
    pairs = [
        pytest.param(attack.values[0], space, id=f"{attack.id}-{name}")
        for attack in attacks
        for name, space in SPACES.items()
        if fits(attack.values[0], space)
    ]
    return pytest.mark.parametrize(("attack", "space"), pairs)


every_attack = each_of(ATTACKS)


def run(attack, space, net, x, y, ids=None, **more):
    threat = ThreatModel(space, goal=more.pop("goal", ThreatModel(space).goal))
    objective = Objective(threat, net, x, y, **more)
    rng = Rng(0, torch.arange(len(x)) if ids is None else ids)
    return attack(objective, space.around(x), rng)


def same(one, other, rows=slice(None), others=slice(None)):
    for name in ("x_adv", "harm", "loss", "size", "failed", "lost"):
        a, b = getattr(one, name)[rows], getattr(other, name)[others]
        assert torch.equal(a, b), name


def judged(net, x_adv, y):
    with torch.no_grad():
        logits = net(x_adv)
        return Margin().away(logits, y), tolerance(logits)


def uses_gradients(attack):
    return attack.knowledge is Knowledge.GRADIENT


def allowed(attack, space, x):
    """Return the set that an attack's points are in: every valid input, if it seeks the nearest."""
    return walk_of(attack, space.around(x))


@every_attack
@pytest.mark.parametrize("shape", [(30,), (6, 5), (2, 4, 5), (2, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
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


@every_attack
@pytest.mark.parametrize("raises_at", [None, 1, 2])
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


@every_attack
def test_deterministic_and_without_memory(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    first_time = run(attack, space, net, x, y)
    torch.manual_seed(99)
    same(first_time, run(copy.deepcopy(attack), space, net, x, y))
    with torch.no_grad():  # a caller's mode must not turn a gradient off
        same(first_time, run(attack, space, net, x, y))


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


def stronger(attack):
    """Return the attack with about twice its budget, or None if it has none to raise."""
    for name in ("steps", "queries", "restarts", "top"):
        if hasattr(attack, name):
            return replace(attack, **{name: 2 * getattr(attack, name)})
    if hasattr(attack, "attack"):
        return replace(attack, attack=stronger(attack.attack))
    return None


@every_attack
def test_more_is_never_weaker(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=24)
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
        apart = getattr(space.around(x), "counts", False)  # which coordinates: hills of their own
        slack = 0.2 if apart else 0.1
        assert float(other.harm.mean()) > float(found.harm.mean()) - slack
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
    text = attack.cost().replace("at most ", "")
    text = re.sub(r"([\w+ ]+?) forward, ([\w+ ]+?) backward", r"P(\1, \2)", text)
    text = re.sub(r"(\w+) forward \+", r"P(\1, 0) +", text).replace(" x ", " * ")
    total = eval(
        text, {"P": lambda forward, backward: np.array([forward, backward])}, values(attack)
    )
    return tuple(total.tolist())


@every_attack
def test_counted_passes_are_real_passes_and_the_stated_cost(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    counter = Passes(net)
    found = run(attack, space, counter, x, y)
    forward, backward = attack.passes()
    assert formula(attack) == (forward, backward)
    cost = found.cost
    if "at most" in attack.cost():  # it ends once no example has anything left to do
        assert int(cost.forward[0]) <= forward
        assert int(cost.backward[0]) <= backward
        forward, backward = int(cost.forward[0]), int(cost.backward[0])
    assert cost.forward.tolist() == [forward] * 8
    assert cost.backward.tolist() == [backward] * 8
    assert cost.queries.tolist() == [forward] * 8
    assert (counter.forward_passes, counter.backward_passes) == (8 * forward, 8 * backward)


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


@every_attack
@pytest.mark.parametrize("how", ["constant", "detached", "rounded", "nan gradient", "nan logits"])
def test_what_cannot_move_has_failed_and_is_not_robust(attack, space, how):
    x, y = Rng(0, torch.arange(4)).uniform(SHAPE), torch.arange(4)
    found = run(attack, space, Mute(how, y), x, y)
    expected = Status.FAILED if uses_gradients(attack) or how == "nan logits" else Status.UNBROKEN
    assert found.status == [expected] * 4
    assert bool(allowed(attack, space, x).contains(found.x_adv).all())


@every_attack
def test_one_mute_example_does_not_stop_the_others(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    x[3] = 0.5

    class Partly(nn.Module):
        def forward(self, inputs):
            odd = space.around(torch.full_like(inputs, 0.5)).contains(inputs)[:, None]
            return torch.where(odd, torch.nan, net(inputs))

    alone = run(attack, space, net, x, y)
    found = run(attack, space, Partly(), x, y)
    others = torch.arange(8) != 3
    assert found.status[3] == Status.FAILED
    same(alone, found, others, others)


class Shy(nn.Module):
    """Answers about unchanged inputs alone; elsewhere every logit is what `says` is."""

    def __init__(self, net, x, says):
        super().__init__()
        self.net, self.x, self.says = net, x, says

    def forward(self, inputs):
        moved = (inputs != self.x).flatten(1).any(1)[:, None]
        return torch.where(moved, self.says, self.net(inputs))


@every_attack
def test_no_number_off_the_unchanged_inputs_is_a_failure_not_robustness(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    found = run(attack, space, Shy(net, x, torch.full((8, 1), torch.nan)), x, y)
    assert found.status == [Status.FAILED] * 8
    assert bool(found.lost.all())


@every_attack
def test_an_infinite_logit_of_a_wrong_class_breaks(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    says = net(x).detach().scatter(1, ((y + 1) % 4)[:, None], torch.inf)
    found = run(attack, space, Shy(net, x, says), x, y)
    assert found.status == [Status.BROKEN] * 8 or attack.demands().nearest
    assert bool(found.harm.isposinf().all())


@every_attack
@pytest.mark.parametrize("classes", [1, 2, 3, 12])
@pytest.mark.parametrize("loss", [None, CrossEntropy(), DLR()], ids=["own", "ce", "dlr"])
def test_any_number_of_classes(attack, space, classes, loss):
    net = wrap(mlp(SHAPE, classes=classes))
    x, y = batch(net, SHAPE)
    found = run(attack, space, net, x, y, loss=loss)
    clean, _ = judged(net, x, y)
    assert bool(found.harm.isfinite().all())
    assert float((found.harm - clean).mean()) > 0
    assert set(found.status) <= {Status.BROKEN, Status.UNBROKEN}


@pytest.mark.parametrize("loss", [CrossEntropy(), ScaledCrossEntropy(), Margin(), DLR(), KL()])
@each_of(WITH_LOSS)
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


@every_attack
@pytest.mark.parametrize("n", [0, 1])
def test_tiny_batches(attack, space, n):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    found = run(attack, space, net, x[:n], y[:n])
    assert found.x_adv.shape == (n, *SHAPE)
    assert len(found.status) == n
    assert all(len(part) == n for part in found.cost)


@every_attack
def test_examples_that_are_wrong_already_are_broken(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    found = run(attack, space, net, x, (y + 1) % 4)
    assert found.status == [Status.BROKEN] * 8


@every_attack
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


@every_attack
@pytest.mark.parametrize(
    ("scale", "loss"),
    [(1e3, None), (1e-3, None), (1e-8, None), (1e-30, None), (1e3, DLR()), (1e-3, DLR())],
    ids=lambda value: f"{value:g}" if isinstance(value, float) else "dlr" if value else "own",
)
def test_the_scale_of_the_logits_does_not_matter(attack, space, scale, loss):
    net = mlp(SHAPE, seed=3)
    x, y = batch(net, SHAPE, n=16)
    scaled = nn.Sequential(net, Scale(scale))
    plain = run(attack, space, net, x, y, loss=loss)
    found = run(attack, space, scaled, x, y, loss=loss)
    assert torch.allclose(found.harm / scale, plain.harm, rtol=0.02, atol=0.02)
    assert int((found.success != plain.success).sum()) <= 1
    assert not bool(found.failed.any())


@each_of(COMPOSED)
def test_called_or_walked_a_composed_attack_is_the_same(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    called = run(attack, space, net, x, y)
    objective = Objective(ThreatModel(space), net, x, y)
    walked = worst(attack, objective, space.around(x), Rng(0, torch.arange(8)))
    same(called, walked)
    assert torch.equal(called.cost.forward, walked.cost.forward)


@every_attack
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


@every_attack
def test_a_batch_takes_less_than_two_seconds(attack, space):
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=32)
    began = time.process_time()
    run(attack, space, net, x, y)
    assert time.process_time() - began < 2
