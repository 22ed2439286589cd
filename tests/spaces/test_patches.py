"""A patch anywhere: the set, its audit, and searches against every place tried to the end."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attack_runs import assert_it_works, run
from holdfast.attacks import APGD, PGD, PlaceSearch, RandomSearch, Restarts, SparseRS, Square
from holdfast.components import build, describe
from holdfast.errors import ConfigError, InputError, Unsupported
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import Circle, Linf, Patch
from holdfast.threat import ThreatModel
from small_nets import batch, digits, mlp

SHAPE = (2, 5, 6)
ANY = Patch(height=0.4, width=0.34)
ROUND = Patch(eps=0.4, height=0.6, width=0.5, shape=Circle(radius=0.5))
SPACES = pytest.mark.parametrize("space", [ANY, ROUND], ids=["any", "round"])


@SPACES
@pytest.mark.parametrize("shape", [(2, 5, 6), (1, 8, 8), (30,), (2, 2, 4, 5)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_every_point_is_in_the_set(space, shape, dtype):
    x = Rng(0, torch.arange(4)).uniform(shape).to(dtype)
    region, at = space.around(x), Rng(1, torch.arange(4))
    assert torch.equal(region.realize(region.center(), at), x)
    assert torch.equal(region.size(region.center()), torch.zeros(4, dtype=dtype))
    made = [region.center(), region.init(at), region.propose_start(at)]
    noise = Rng(2, torch.arange(4)).normal(tuple(made[0].shape[1:])).to(dtype)
    made += [region.project(region.step(made[1], noise, f)) for f in (0.1, 1.0, 9.0)]
    made += [region.propose(made[-1], at.at(k), 0.5 / 2**k) for k in range(8)]
    for z in made:
        x_adv = region.realize(z, at)
        assert x_adv.shape == x.shape
        assert x_adv.dtype == dtype
        assert bool(region.contains(x_adv).all())
        assert bool(region.contains_point(x_adv, z).all())
        assert bool((region.size(z) <= region.radius * (1 + 1e-5)).all())
        assert torch.equal(region.project(z), z)
        changed = (x_adv != x).flatten(1).sum(1)
        assert (
            int(changed.max())
            <= int(region.window.sum()) * x[0].numel() / region.image[0, 0].numel()
        )


@SPACES
def test_what_is_not_one_patch_is_told_apart(space):
    x = Rng(0, torch.arange(3)).uniform((1, 8, 8), 0.3, 0.7)
    region, at = space.around(x), Rng(1, torch.arange(3))
    z = region.init(at)
    x_adv = region.realize(z, at)
    two = x.clone()
    two[:, 0, 0, 0] += 0.1
    two[:, 0, 7, 7] += 0.1  # no window holds both corners
    assert not bool(region.contains(two).any())
    assert not bool(region.contains_point(two, z).any())
    assert not bool(region.contains_point(x_adv, region.init(at.fold("other"))).all())
    wide = x_adv + 5 * (x_adv - x)
    assert not bool(region.contains(wide).any())
    assert not bool(region.contains_point(wide, z).any())
    for place in (-1.0, 7.5, torch.nan):
        moved = torch.cat([torch.full((3, 2), place), z[:, 2:]], 1)
        assert not bool(region.contains_point(x_adv, moved).any())
    half = space.around(x, region.radius / 2)
    assert not bool(half.contains_point(x_adv, z).any())


@SPACES
def test_an_example_does_not_notice_its_mates(space):
    x = Rng(0, torch.arange(4)).uniform(SHAPE)
    region, at = space.around(x), Rng(1, torch.arange(4)).at(3, of=9)
    z = region.init(at) + 0.1
    operations = {
        "project": lambda r, z, at: r.project(z),
        "step": lambda r, z, at: r.step(z, z - 0.5, 0.3),
        "init": lambda r, z, at: r.init(at),
        "propose": lambda r, z, at: r.propose(r.project(z), at, 0.3),
        "lift": lambda r, z, at: r.lift(z, at),
        "size": lambda r, z, at: r.size(z),
        "contains": lambda r, z, at: r.contains(r.lift(z, at)),
    }
    for name, operation in operations.items():
        together = operation(region, z, at)
        for i in range(4):
            idx = torch.tensor([i])
            assert torch.equal(operation(region.take(idx), z[idx], at.take(idx)), together[idx]), (
                name
            )


def test_the_gradient_of_a_place_is_that_of_a_shift():
    x = torch.zeros(1, 1, 6, 6)
    region, at = Patch(height=0.34, width=0.34).around(x), Rng(0, torch.arange(1))
    slope = torch.arange(36.0).reshape(1, 1, 6, 6)  # 6 a row, 1 a column
    z = torch.cat([torch.tensor([[1.0, 2.0]]), torch.ones(1, 4)], 1).requires_grad_()
    (grad,) = torch.autograd.grad((region.lift(z, at) * slope).sum(), z)
    assert grad[0, :2].tolist() == pytest.approx([24.0, 4.0])
    assert grad[0, 2:].tolist() == [8.0, 9.0, 14.0, 15.0]


def linear(shape):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 2)).eval()


@SPACES
def test_on_a_linear_model_the_best_place_and_content_are_the_closed_form(space):
    net = linear(SHAPE)
    x, y = batch(net, SHAPE, n=12)
    region = space.around(x)
    slope = (net[1].weight[1 - y] - net[1].weight[y]).detach().reshape(x.shape)
    with torch.no_grad():
        clean = Margin().away(net(x), y)
    best = torch.full_like(clean, -torch.inf)
    for place in region.places():
        box = region.fixed(place.expand(12, 2))
        corner = torch.where(slope > 0, box.highest, box.lowest)
        best = torch.maximum(best, ((corner - x) * slope).flatten(1).sum(1))
    search = PlaceSearch(attack=PGD(steps=1), places=1, heats=1, probes=1)
    found = run(search, space, net, x, y)
    reached = (found.harm - clean) / best
    assert float(reached.min()) > 0.99
    assert float(reached.max()) < 1.001
    runs = Restarts(attack=SparseRS(queries=150), restarts=6)
    blind = run(runs, space, net, x, y)
    assert float(((blind.harm - clean) / best).mean()) > 0.8  # a search seldom leaves a hill


def exhaustive(attack, space, net, x, y):
    """The worst of the attack in the box of every place."""
    region = space.around(x)
    best = torch.full((len(x),), -torch.inf)
    for place in region.places():
        objective = Objective(ThreatModel(space), net, x, y)
        found = attack(
            objective, region.fixed(place.expand(len(x), 2)), Rng(0, torch.arange(len(x)))
        )
        best = torch.maximum(best, found.harm)
    return best


def test_the_search_reaches_what_every_place_tried_to_the_end_gives():
    net, x, y = digits(24)
    space = Patch(height=0.25, width=0.25)
    with torch.no_grad():
        clean = Margin().away(net(x), y)
    gain = exhaustive(APGD(steps=20), space, net, x, y) - clean  # 49 places x 21 passes
    found = run(PlaceSearch(attack=APGD(steps=20), places=2), space, net, x, y)
    assert float(((found.harm - clean) / gain).mean()) > 0.97
    assert float(((found.harm - clean) / gain).min()) > 0.8
    blind = run(Square(queries=500), space, net, x, y)
    assert float(((blind.harm - clean) / gain).mean()) > 0.7
    runs = Restarts(attack=SparseRS(queries=250, fraction=0.4), restarts=4)
    assert float(((run(runs, space, net, x, y).harm - clean) / gain).mean()) > 0.93
    climbs = run(Restarts(attack=APGD(steps=20), restarts=5), space, net, x, y)
    floor = run(RandomSearch(queries=100), space, net, x, y)
    for weaker in (blind, climbs, floor):
        assert float((found.harm - weaker.harm).mean()) > 0.5


ATTACKS = [
    PGD(steps=6),
    APGD(steps=8),
    RandomSearch(queries=12),
    Square(queries=12),
    SparseRS(queries=12),
    PlaceSearch(attack=PGD(steps=3), places=1, heats=2, probes=3),
    PlaceSearch(attack=SparseRS(queries=6), places=1, heats=2, probes=3),
    Restarts(attack=PlaceSearch(attack=PGD(steps=3), places=2, heats=2, probes=2), restarts=2),
]


@SPACES
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)
def test_attacks_work_there(attack, space):
    assert_it_works(attack, space, SHAPE)


def test_mistakes_are_named_and_sets_go_into_claims():
    with pytest.raises(ConfigError, match=r"patch.height must be in \(0, 1\]"):
        Patch(height=8)
    with pytest.raises(InputError, match="covers no pixel"):
        Patch(shape=Circle(row=2.0)).around(torch.rand(1, 1, 8, 8))
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=2)
    with pytest.raises(Unsupported, match="place_search works in Patch, not in Linf"):
        run(PlaceSearch(), Linf(eps=0.1), net, x, y)
    for space in (ANY, ROUND):
        assert build("space", describe(space)) == space
    assert "0.4 x 0.34 of the sides anywhere" in ThreatModel(ANY).sentence()
    assert "Circle" in ThreatModel(ROUND).sentence()
