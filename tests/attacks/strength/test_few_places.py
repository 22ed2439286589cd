"""Searches for few places from scores alone: against closed forms, exhaustion and peers."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest
import torch

from holdfast.attacks import APGD, OnePixel, SparseRS
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L0, Circle, Frame, Masked, PixelL0, Rectangle
from holdfast.threat import ThreatModel
from small_nets import digits, linear

N = 100


def attacked(attack, space, net, x, y):
    objective = Objective(ThreatModel(space, knowledge=attack.knowledge), net, x, y)
    return attack(objective, space.around(x), Rng(0, torch.arange(len(x))))


@cache
def broken(attack, space):
    """Return how many of 100 digits the attack breaks."""
    return int(attacked(attack, space, *digits(N)).success.sum())


@pytest.mark.parametrize(
    "space",
    [
        pytest.param(L0(eps=1), marks=pytest.mark.slow),
        L0(eps=5),
        PixelL0(eps=4),
        pytest.param(Masked(shapes=(Frame(width=0.2),)), marks=pytest.mark.slow),
        Masked(eps=0.3, shapes=(Rectangle(height=0.5, width=0.5), Circle(row=0.8, column=0.8))),
    ],
    ids=lambda space: type(space).__name__,
)
def test_sparse_rs_reaches_the_optimum_of_linear_models(space):
    """With two classes the best corner is known: the places that gain most, each to its end."""
    shape = (2, 5, 6)
    net = linear(shape, 2)
    x = Rng(5, torch.arange(16)).uniform(shape)
    with torch.no_grad():
        y = net(x).argmax(1)
        clean = Margin().away(net(x), y)
    region = space.around(x)
    slope = (net[1].weight[1 - y] - net[1].weight[y]).detach().reshape(x.shape)
    low, high = region.box() if isinstance(space, Masked) else (0.0, 1.0)
    corner = torch.where(slope > 0, high, low)
    if not isinstance(space, Masked):
        gains = region.sum_per_place(slope * (corner - x)).reshape(
            16, -1, region.grid[1] * region.grid[2]
        )
        least = gains[:, 0].topk(int(space.radius)).values[:, -1:]
        chosen = (gains >= least[:, None]).reshape(x.shape)
        corner = torch.where(chosen, corner, x)
    with torch.no_grad():
        best = Margin().away(net(corner), y)
    found = attacked(SparseRS(queries=2500), space, net, x, y)
    missed = (best - found.harm) / (best - clean)
    assert float(missed.min()) > -1e-4
    assert float(missed.median()) < 0.01
    assert float(missed.max()) < 0.25


# The authors' loop, written anew after their rs_attacks.py (L0, alpha 0.3: draws shared by the
# batch, colors that may be there already), not run from their code; the better of two seeds: 62
# and 87 of 100 digits with 200 queries, 70 and 94 with 1000. Ours: 64 and 95, 70 and 95.
@pytest.mark.parametrize(("queries", "eps", "least"), [(200, 2, 62), (200, 3, 90), (1000, 2, 70)])
def test_sparse_rs_breaks_what_the_published_loop_breaks(queries, eps, least):
    assert broken(SparseRS(queries=queries), L0(eps=eps)) >= least


def test_sparse_rs_breaks_what_gradients_break():
    """Two of 64 pixels: 70 of 100 digits; APGD on L0 breaks 65."""
    assert broken(SparseRS(queries=1000), L0(eps=2)) >= broken(APGD(), L0(eps=2))


@pytest.mark.parametrize("width", [0.13, 0.26])
def test_sparse_rs_fills_a_frame_as_well_as_gradients_do(width):
    frame = Masked(shapes=(Frame(width=width),))
    assert broken(SparseRS(queries=400), frame) >= broken(APGD(), frame) - 3


def test_one_pixel_finds_nearly_every_pixel_that_there_is():
    """Every pixel at 21 values: 31 of 100 digits can be broken."""
    net, x, y = digits(N)
    possible = torch.zeros(N, dtype=torch.bool)
    for pixel in range(64):
        for value in torch.linspace(0, 1, 21):
            z = x.flatten(1).clone()
            z[:, pixel] = value
            with torch.no_grad():
                possible |= net(z.reshape(x.shape)).argmax(1) != y
    one = PixelL0(eps=1)
    assert broken(OnePixel(queries=1200, population=100), one) >= int(possible.sum()) - 1


# torchattacks 3.5.1, OnePixel(pixels, steps, popsize), seed 0, on the same digits: at most so many
# queries, so many broken. Ours: 18, 31, 67.
@pytest.mark.parametrize(
    ("pixels", "population", "queries", "theirs"),
    [(1, 10, 110, 13), (1, 100, 1000, 28), (3, 100, 1000, 55)],
)
def test_one_pixel_breaks_no_fewer_than_a_peer(pixels, population, queries, theirs):
    attack = OnePixel(queries=queries, population=population)
    assert broken(attack, PixelL0(eps=pixels)) >= theirs


def test_a_pixel_is_changed_in_all_its_channels_and_counts_once():
    x = Rng(0, torch.arange(5)).uniform((3, 4, 5))
    region, at = PixelL0(eps=6).around(x), Rng(1, torch.arange(5))
    z = region.sample(at)
    for k in range(20):
        changed = z != x
        assert bool((changed.any(1).flatten(1).sum(1) == 6).all())
        assert bool(((z == 0) | (z == 1))[changed].all())
        again = region.resample(z, at.at(k), 0.34)  # two of six
        assert bool(((again != z).any(1).flatten(1).sum(1) >= 2).all())
        assert bool(((again != z).any(1).flatten(1).sum(1) <= 4).all())
        z = again
    assert region.size(z).tolist() == [6] * 5
    assert bool(region.contains(z).all())
    z[:, 0, 0, 0] = torch.where(z[:, 0, 0, 0] == x[:, 0, 0, 0], 0.5, z[:, 0, 0, 0])
    z[:, 1, 3, 4] = torch.where(z[:, 1, 3, 4] == x[:, 1, 3, 4], 0.5, z[:, 1, 3, 4])
    z[:, 2, 2, 2] = torch.where(z[:, 2, 2, 2] == x[:, 2, 2, 2], 0.5, z[:, 2, 2, 2])
    assert torch.equal(region.contains(z), region.size(z) <= 6)


def test_a_place_never_gets_the_colour_that_it_has():
    x = Rng(0, torch.arange(4)).uniform((3, 4, 5)).round()  # half of the colors are there already
    for space in (L0(eps=60), PixelL0(eps=20)):
        region = space.around(x)
        z = region.sample(Rng(1, torch.arange(4)))
        assert bool((region.size(z) == region.radius).all())


def test_the_projection_onto_few_pixels_is_the_nearest_point():
    """Every choice of two of six pixels, one after the other."""
    torch.manual_seed(0)
    x = torch.rand(8, 2, 2, 3).double()
    z = x + 2 * torch.randn_like(x)
    region = PixelL0(eps=2).around(x)
    best = torch.full((8,), torch.inf, dtype=torch.float64)
    for pair in combinations(range(6), 2):
        kept = torch.zeros(6, dtype=torch.bool)
        kept[list(pair)] = True
        point = torch.where(kept.reshape(1, 1, 2, 3), z.clamp(0, 1), x)
        best = torch.minimum(best, (point - z).flatten(1).norm(dim=1))
    found = (region.project(z) - z).flatten(1).norm(dim=1)
    assert torch.allclose(found, best)
