"""Sets that move pixels or change colors, against loops in Python and exact optima."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from attack_runs import assert_it_works, run
from holdfast.attacks import APGD, PGD, Leap, RandomSearch, Restarts, StAdv, WarmStart
from holdfast.components import build, describe
from holdfast.errors import ConfigError, InputError, Unsupported
from holdfast.losses import Margin
from holdfast.rng import Rng
from holdfast.spaces import Flow, Linf, Recolor
from holdfast.threat import ThreatModel
from small_nets import Scale, batch, digits, mlp

SHAPE = (2, 5, 6)
FLOW, COLORS = Flow(eps=0.8), Recolor(eps=0.15, points=4)
SPACES = pytest.mark.parametrize("space", [FLOW, COLORS], ids=["flow", "recolor"])


def pixel(image, row, column):
    """Bilinear, written out: what is outside is the nearest edge."""
    _, height, width = image.shape
    row, column = min(max(row, 0.0), height - 1.0), min(max(column, 0.0), width - 1.0)
    total = torch.zeros(len(image), dtype=image.dtype)
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if r < height and c < width:
                total += image[:, r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return total


def test_a_flow_is_bilinear_sampling_written_another_way():
    x = Rng(0, torch.arange(2)).uniform(SHAPE).double()
    region, at = Flow(eps=1.7).around(x), Rng(1, torch.arange(2))
    z = region.init(at)
    made = region.realize(z, at)
    for i, r, c in itertools.product(range(2), range(5), range(6)):
        seen = pixel(x[i], r + float(z[i, 0, r, c]), c + float(z[i, 1, r, c]))
        assert torch.allclose(made[i, :, r, c], seen, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_function_of_colors_is_multilinear_written_another_way(channels):
    x = Rng(0, torch.arange(2)).uniform((channels, 3, 3)).double()
    x[0, :, 0, 0], x[1, :, 0, 0] = 1.0, 0.0  # the ends of the range
    region, at = Recolor(eps=0.2, points=4).around(x), Rng(1, torch.arange(2))
    z = region.init(at)
    made = region.realize(z, at)
    for i, r, c in itertools.product(range(2), range(3), range(3)):
        color, total = (x[i, :, r, c] * 3).tolist(), x[i, :, r, c].clone()
        for corner in itertools.product(range(4), repeat=channels):
            share = math.prod(max(0.0, 1 - abs(a - b)) for a, b in zip(color, corner, strict=True))
            total += share * z[(i, slice(None), *corner)]
        assert torch.allclose(made[i, :, r, c], total.clamp(0, 1), atol=1e-12)


@SPACES
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 7), (1, 1, 5), (2, 4, 1)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_every_point_is_in_the_set_and_what_is_not_is_told_apart(space, shape, dtype):
    x = Rng(0, torch.arange(3)).uniform(shape).to(dtype)
    region, at = space.around(x), Rng(1, torch.arange(3))
    assert torch.equal(region.realize(region.center(), at), x)
    assert torch.equal(region.size(region.center()), torch.zeros(3, dtype=dtype))
    made = [region.init(at)]
    noise = Rng(2, torch.arange(3)).normal(tuple(made[0].shape[1:])).to(dtype)
    made += [region.project(region.step(made[0], noise, f)) for f in (0.1, 1.0, 9.0)]
    for z in made:
        x_adv = region.realize(z, at)
        assert x_adv.dtype == dtype
        assert bool(region.contains_point(x_adv, z).all())
        assert bool((region.size(z) <= region.radius * (1 + 1e-5)).all())
        assert torch.equal(region.project(z), z)
        assert not bool(region.contains_point((x_adv + 0.01).clamp(0, 1), z).any())
        assert not bool(region.contains_point(x_adv + 1.0, z).any())
    far = 1.5 * made[-1]
    assert not bool(region.contains_point(region.realize(far, at), far).any())
    half = space.around(x, 0.4 * space.radius)
    assert bool(half.contains(x).all())
    assert bool(region.contains(region.realize(made[1], at)).all())


@SPACES
def test_an_image_alone_that_no_point_makes_is_refused(space):
    x = Rng(0, torch.arange(2)).uniform((3, 5, 5), 0.3, 0.7)
    noise = 0.3 * Rng(3, torch.arange(2)).sign((3, 5, 5))
    assert not bool(space.around(x).contains(x + noise).any())


@SPACES
def test_an_example_does_not_notice_its_mates(space):
    x = Rng(0, torch.arange(4)).uniform(SHAPE)
    region, at = space.around(x), Rng(1, torch.arange(4))
    z = 2 * region.init(at)
    operations = {
        "project": lambda r, z, at: r.project(z),
        "step": lambda r, z, at: r.step(z, z - 0.1, 0.3),
        "init": lambda r, z, at: r.init(at),
        "lift": lambda r, z, at: r.lift(z, at),
        "size": lambda r, z, at: r.size(z),
        "penalty": lambda r, z, at: r.penalty(z),
    }
    for name, operation in operations.items():
        together = operation(region, z, at)
        for i in range(4):
            idx = torch.tensor([i])
            assert torch.equal(operation(region.take(idx), z[idx], at.take(idx)), together[idx]), (
                name
            )


ATTACKS = [PGD(steps=6), APGD(steps=8), RandomSearch(queries=6), StAdv(steps=8), Leap(steps=8)]


@SPACES
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)
def test_attacks_work_there(attack, space):
    if isinstance(attack, Leap) and space is COLORS:
        with pytest.raises(Unsupported, match="leap works in Flow, not in Recolor"):
            run(attack, space, mlp(SHAPE), *batch(mlp(SHAPE), SHAPE))
        return
    assert_it_works(attack, space, SHAPE)


def linear(shape, classes=2):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes)).eval()


def best_gain(x, slope):
    """Return (B,): the most that displacements in the disc of 0.8 add to the slope's product.

    Every pixel has a displacement of its own: a fine search over the disc is the optimum.
    """
    region, at = FLOW.around(x), Rng(0, torch.arange(len(x)))
    most = torch.zeros_like(x)
    for length in (0.2, 0.4, 0.6, 0.8):
        for angle in torch.linspace(0, 2 * math.pi, 73)[:-1].tolist():
            way = torch.tensor([math.sin(angle), math.cos(angle)]) * length
            z = way[None, :, None, None].expand(len(x), 2, *x.shape[2:])
            most = torch.maximum(most, (region.lift(z, at) - x) * slope)
    return most.flatten(1).sum(1)


def test_a_flow_against_a_linear_model_is_the_best_of_each_pixel():
    _, x, _ = digits(24)
    net = linear((1, 8, 8))
    with torch.no_grad():
        y = net(x).argmax(1)
        clean = Margin().away(net(x), y)
    gain = best_gain(x, (net[1].weight[1 - y] - net[1].weight[y]).detach().reshape(x.shape))
    for attack, share in ((Leap(steps=1), 0.99), (Leap(steps=9), 0.99), (APGD(steps=40), 0.7)):
        reached = (run(attack, FLOW, net, x, y).harm - clean) / gain
        assert float(reached.mean()) > share, attack
        assert float(reached.max()) < 1.01
    few = run(RandomSearch(queries=50), FLOW, net, x, y)
    assert float(((few.harm - clean) / gain).mean()) < 0.5  # it is no easy set


def test_leaping_beats_five_times_as_many_passes_of_climbing_on_digits():
    net, x, y = digits(24)
    with torch.no_grad():
        clean = Margin().away(net(x), y)
    leaps, once = run(Leap(steps=40), FLOW, net, x, y), run(APGD(steps=40), FLOW, net, x, y)
    five = run(Restarts(attack=APGD(steps=40), restarts=5), FLOW, net, x, y)
    both = run(WarmStart(first=Leap(steps=20), then=APGD(steps=20)), FLOW, net, x, y)
    gains = [float((found.harm - clean).mean()) for found in (both, leaps, five, once)]
    assert gains == sorted(gains, reverse=True)
    assert gains[1] > 1.15 * gains[3]


def test_a_function_of_colors_against_a_linear_model_is_the_closed_form():
    """Without clipping the image is linear in the grid's values: their signs are the optimum."""
    shape, space = (3, 5, 5), Recolor(eps=0.1, points=4)
    net = linear(shape)
    x, y = batch(net, shape, n=12)
    x = 0.2 + 0.6 * x
    with torch.no_grad():
        y = net(x).argmax(1)
        clean = Margin().away(net(x), y)
    region, at = space.around(x), Rng(0, torch.arange(12))
    slope = (net[1].weight[1 - y] - net[1].weight[y]).detach().reshape(x.shape)
    z = region.center().requires_grad_()
    (pull,) = torch.autograd.grad((region.lift(z, at) * slope).sum(), z)
    best = 0.1 * pull.abs().flatten(1).sum(1)
    for attack in (
        PGD(steps=25, step_size=0.1),
        APGD(steps=20),
        StAdv(steps=60, tau=0, confidence=9),
    ):
        found = run(attack, space, net, x, y)
        assert float(((found.harm - clean) / best).min()) > 0.99


def test_smoothness_is_bought_with_nothing_but_margin():
    shape = (1, 6, 6)
    net = mlp(shape)
    x, y = batch(net, shape, n=16)
    region = FLOW.around(x)
    rough, smooth = (run(StAdv(steps=60, tau=tau), FLOW, net, x, y) for tau in (0.0, 0.05))
    both = rough.success & smooth.success
    assert int(both.sum()) >= 4
    assert int(smooth.success.sum()) >= int(rough.success.sum()) - 1
    penalties = [region.penalty(found.z)[both].mean() for found in (rough, smooth)]
    assert float(penalties[1]) < float(penalties[0])


def test_the_scale_of_the_logits_does_not_matter_to_it():
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=8)
    plain = run(StAdv(steps=10), FLOW, net, x, y)
    for scale in (1e3, 1e-3, 1e-30):
        found = run(StAdv(steps=10), FLOW, nn.Sequential(net, Scale(scale)), x, y)
        assert torch.allclose(found.harm / scale, plain.harm, rtol=0.02, atol=0.02)


def test_mistakes_are_named_and_sets_go_into_claims():
    with pytest.raises(InputError, match="images"):
        FLOW.around(torch.rand(2, 8))
    with pytest.raises(InputError, match="at most 3 channels"):
        COLORS.around(torch.rand(2, 4, 3, 3))
    with pytest.raises(ConfigError, match=r"points must be in \[2, 64\], got 1"):
        Recolor(points=1)
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=2)
    with pytest.raises(Unsupported, match="stadv works in Flow and Recolor, not in Linf"):
        run(StAdv(), Linf(eps=0.1), net, x, y)
    for space in (FLOW, COLORS):
        assert build("space", describe(space)) == space
        assert str(space.eps) in ThreatModel(space).sentence()
