"""Sets that are no balls: images moved rigidly, and values inside a mask."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attack_runs import assert_it_works, run
from holdfast.attacks import APGD, PGD, Grid, RandomSearch, Restarts
from holdfast.components import build, describe
from holdfast.errors import ConfigError, InputError, Unsupported
from holdfast.losses import Margin
from holdfast.rng import Rng
from holdfast.spaces import Circle, Linf, Masked, Rectangle, RotationTranslation
from holdfast.threat import Knowledge, Status, ThreatModel
from small_nets import batch, mlp

SHAPE = (2, 5, 6)
MOVES = RotationTranslation(degrees=40, shift=1.5)
STICKERS = Masked(shapes=(Rectangle(height=0.3, width=0.5), Circle(row=0.8, column=0.7)))


def pixel(image, row, column):
    """Bilinear, written out: what is outside is black."""
    total = torch.zeros(len(image), dtype=torch.float64)
    for r in (math.floor(row), math.floor(row) + 1):
        for c in (math.floor(column), math.floor(column) + 1):
            if 0 <= r < image.shape[1] and 0 <= c < image.shape[2]:
                total += image[:, r, c] * (1 - abs(row - r)) * (1 - abs(column - c))
    return total


def moved(image, angle, down, right):
    """Turn about the center, then move; pixel by pixel in Python."""
    _, height, width = image.shape
    out = torch.zeros_like(image)
    for r in range(height):
        for c in range(width):
            u, v = r - (height - 1) / 2 - down, c - (width - 1) / 2 - right
            row = math.cos(angle) * u + math.sin(angle) * v + (height - 1) / 2
            column = -math.sin(angle) * u + math.cos(angle) * v + (width - 1) / 2
            out[:, r, c] = pixel(image, row, column)
    return out


def test_the_exhaustive_grid_is_brute_force_written_another_way():
    net = mlp(SHAPE).double()
    x, y = batch(net, SHAPE, n=3)
    best = torch.full((3,), -torch.inf, dtype=torch.float64)
    images = x.double()
    for angle in torch.linspace(-1, 1, 5).tolist():
        for down in (-1.5, 0.0, 1.5):
            for right in (-1.5, 0.0, 1.5):
                turn = angle * 40 * math.pi / 180
                seen = torch.stack([moved(image, turn, down, right) for image in images])
                with torch.no_grad():
                    best = torch.maximum(best, Margin().away(net(seen), y))
    found = run(Grid(angles=5, shifts=3), MOVES, net, images, y)
    assert torch.allclose(found.harm, best, atol=1e-5)
    assert found.cost.forward.tolist() == [45] * 3


class Silent(nn.Module):
    """The same answers, and no gradient."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.detach())


def test_the_grid_cannot_be_masked_and_needs_labels_alone():
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE, n=6)
    attack = Grid(angles=5, shifts=3)
    free = run(attack, MOVES, net, x, y)
    assert int(free.success.sum()) > 0
    hidden = run(attack, MOVES, Silent(net), x, y, knowledge=Knowledge.DECISION)
    assert torch.equal(hidden.success, free.success)
    blind = run(PGD(steps=3), MOVES, Silent(net), x, y)
    assert Status.FAILED in blind.status
    with pytest.raises(Unsupported, match="grid works in RotationTranslation, not in Linf"):
        run(attack, Linf(eps=0.1), net, x, y)
    with pytest.raises(
        Unsupported, match="square works in Linf, L2, L1 and Patch, not in RotationTranslation"
    ):
        from holdfast.attacks import Square

        run(Square(queries=3), MOVES, net, x, y)


def test_a_moved_image_is_found_again_and_any_other_is_not():
    x = Rng(0, torch.arange(3)).uniform((1, 8, 8))
    space = RotationTranslation(degrees=20, shift=1)
    region, at = space.around(x), Rng(1, torch.arange(3))
    z = region.init(at)
    x_adv = region.realize(z, at)
    assert torch.equal(region.realize(region.center(), at), x)
    assert bool(region.contains(x_adv).all())
    assert bool(region.contains_point(x_adv, z).all())
    assert bool(region.contains(x).all())
    noisy = (x_adv + 0.01 * torch.randn_like(x)).clamp(0, 1)
    assert not bool(region.contains(noisy).any())
    assert not bool(region.contains_point(noisy, z).any())
    far = 1.4 * z / z.abs().amax(1, keepdim=True)
    assert not bool(region.contains(region.realize(far, at)).any())
    assert not bool(region.contains_point(region.realize(far, at), far).any())


@pytest.mark.parametrize("space", [MOVES, STICKERS], ids=["moves", "stickers"])
@pytest.mark.parametrize(
    "attack",
    [
        PGD(steps=6),
        APGD(steps=8),
        RandomSearch(queries=12),
        Restarts(attack=PGD(steps=3), restarts=2),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_attacks_work_there(attack, space):
    found = assert_it_works(attack, space, SHAPE)
    assert bool((found.size <= 1 + 1e-5).all())
    half = ThreatModel(space).with_eps(0.5).space
    nearer = run(attack, half, mlp(SHAPE), *batch(mlp(SHAPE), SHAPE, n=6))
    assert bool((nearer.size <= 0.5 + 1e-5).all())


def test_a_patch_changes_nothing_outside_its_mask_and_is_the_best_inside():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(60, 2)).eval()
    x, y = batch(net, SHAPE, n=8)
    mask = STICKERS.mask(x)
    assert 0.1 < float(mask.float().mean()) < 0.5
    found = run(PGD(steps=20, step_size=0.2), STICKERS, net, x, y)
    changed = found.x_adv != x
    assert not bool((changed & ~mask).any())  # exactly: not one bit
    assert float((changed & mask).sum() / mask.expand_as(x).sum()) > 0.9
    slope = (net[1].weight[1 - y] - net[1].weight[y]).detach().reshape(x.shape)
    corner = torch.where(mask, (slope > 0).to(x.dtype), x)
    with torch.no_grad():
        best, clean = Margin().away(net(corner), y), Margin().away(net(x), y)
    assert float(((best - found.harm) / (best - clean)).max()) < 0.01
    region = STICKERS.around(x)
    assert bool(region.contains(found.x_adv).all())
    outside = torch.where(mask, found.x_adv, found.x_adv + 1e-7)
    assert not bool(region.contains(outside).any())


def test_shapes_fit_any_input_and_go_into_claims_as_they_are():
    flat = Masked(shapes=(Rectangle(left=0.5, height=1.0, width=0.5),)).mask(torch.rand(2, 8))
    assert flat.tolist() == [[False] * 4 + [True] * 4]
    assert build("space", describe(STICKERS)) == STICKERS
    assert build("space", describe(MOVES)) == MOVES
    assert "40 degrees and 1.5 pixels" in ThreatModel(MOVES).sentence()
    assert "Circle" in ThreatModel(STICKERS).sentence()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Masked(shapes=()), "at least one"),
        (lambda: Masked(shapes=(Circle(radius=0.01),)).around(torch.rand(1, 1, 4, 4)), "no pixel"),
        (lambda: RotationTranslation(degrees=200), r"degrees must be in \[0, 180\], got 200"),
        (lambda: RotationTranslation(eps=2), "eps must be in"),
        (lambda: RotationTranslation().around(torch.rand(2, 8)), "moves images"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises((InputError, ConfigError), match=message):
        make()
