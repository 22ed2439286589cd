"""Sets: exact projections, and an audit that passes what they make and refuses the rest."""

from __future__ import annotations

import math

import pytest
import torch

from holdfast import (
    Circle,
    CommonCorruptions,
    Flow,
    Frame,
    Masked,
    Patch,
    Recolor,
    Rectangle,
    RotationTranslation,
)
from holdfast.components import build, describe
from holdfast.errors import InputError
from holdfast.rng import Rng
from holdfast.spaces import L0, L1, L2, Linf, PixelL0
from holdfast.spaces.norm_balls import square_windows

SPACES = [Linf(eps=0.1), L2(eps=0.7)]
NAMES = ["linf", "l2"]
BOTH = pytest.mark.parametrize("space", SPACES, ids=NAMES)


def slow_projection(x, z, radius, low=0.0, high=1.0):
    """Minimize |p - z| over ball and range: bisect the multiplier of the ball, in float64."""
    x, z = x.double(), z.double()

    def at(scale):
        return (x + scale * (z - x)).clamp(low, high)

    if float((z.clamp(low, high) - x).norm()) <= radius:
        return z.clamp(low, high)
    least, most = 0.0, 1.0
    for _ in range(200):
        middle = (least + most) / 2
        if float((at(middle) - x).norm()) <= radius:
            least = middle
        else:
            most = middle
    return at(least)


def rng(n, seed=0):
    return Rng(seed, torch.arange(n))


@pytest.mark.parametrize("radius", [1e-3, 0.1, 0.7, 3.0])
@pytest.mark.parametrize("reach", [1e-3, 0.5, 5.0, 100.0])
def test_the_l2_projection_is_exact(radius, reach):
    torch.manual_seed(0)
    x = torch.rand(20, 1, 6, 6)
    x[:5] = (x[:5] > 0.5).float()  # at the edge of the range, where most coordinates clip
    z = x + reach * torch.randn_like(x)
    found = L2(eps=radius).around(x).project(z)
    for i in range(len(x)):
        expected = slow_projection(x[i], z[i], radius)
        assert torch.allclose(found[i].double(), expected, atol=2e-6 * max(1, radius))


def test_the_l2_projection_satisfies_the_kkt_conditions():
    """p = clip(x + s (z - x)): free coordinates share one s, clipped ones pull outwards."""
    torch.manual_seed(1)
    x = torch.rand(50, 30).double()
    z = x + 2 * torch.randn_like(x)
    p = L2(eps=0.8).around(x).project(z)
    assert torch.allclose((p - x).norm(dim=1), torch.full((50,), 0.8).double(), rtol=1e-6)
    free = (p > 0) & (p < 1)
    ratio = (p - x) / (z - x)
    for i in range(50):
        s = ratio[i][free[i]]
        assert float(s.max() - s.min()) < 1e-9
        assert 0 <= float(s.min()) <= float(s.max()) < 1
        beyond = x[i] + s.mean() * (z[i] - x[i])
        assert bool(((beyond <= 1e-9) | (beyond >= 1 - 1e-9) | free[i]).all())


def test_the_linf_projection_is_the_clamp_to_ball_and_range():
    torch.manual_seed(0)
    x = torch.rand(10, 3, 4)
    z = x + torch.randn_like(x)
    found = Linf(eps=0.2).around(x).project(z)
    expected = torch.minimum(torch.maximum(z, x - 0.2), x + 0.2).clamp(0, 1)
    assert torch.allclose(found, expected, atol=1e-7)


SHAPES = [(784,), (3, 32, 32), (3, 224, 224), (1,), (5, 2), (2, 3, 4, 5)]


def pictures(shape, dtype):
    """Natural, extreme and flat inputs: on flat ones every coordinate rounds the same way."""
    torch.manual_seed(0)
    x = torch.rand(6, *shape, dtype=dtype)
    x[1] = (x[1] > 0.5).to(dtype)
    x[2], x[3], x[4] = 0.5, 1.0, 200 / 255
    x[5] = (x[5] * 255).round() / 255
    return x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("eps", ["1/255", 0.3, 0.9])
def test_what_the_set_makes_passes_the_audit(shape, dtype, norm, eps):
    space = Linf(eps=eps) if norm == "linf" else L2(eps=eps)
    x = pictures(shape, dtype)
    region, at = space.around(x), rng(6)
    flat = torch.ones_like(x)
    made = [
        region.center(),
        region.init(at),
        region.project(region.step(x, flat, 1.0)),
        region.project(region.step(x, -flat, 3.0)),
        region.project(region.step(region.init(at), torch.randn_like(x), 0.5)),
        region.propose_start(at),
    ]
    made += [region.propose(made[-1], at.at(k), fraction) for k, fraction in enumerate((0.5, 0.05))]
    for k, z in enumerate(made):
        assert z.shape == x.shape
        assert z.dtype == dtype
        assert region.contains(z).tolist() == [True] * 6, k
        assert bool((region.size(z) <= region.radius * (1 + 1e-5) + 1e-7).all())


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 224, 224)], ids=str)
def test_staying_inside_costs_next_to_nothing_of_the_radius(shape):
    x = pictures(shape, torch.float32)
    region = L2(eps=0.5).around(x)
    for direction in (torch.ones_like(x), torch.randn_like(x)):
        moved = region.project(region.step(x, 0.5 - x + 0.1 * direction, 2.0))
        size = (moved.double() - x.double()).flatten(1).norm(dim=1)
        assert bool((size[[0, 1, 4, 5]] > 0.5 * (1 - 1e-4)).all())


@BOTH
def test_the_audit_refuses_what_is_just_outside(space):
    torch.manual_seed(0)
    x = 0.3 + 0.4 * torch.rand(4, 50)
    region = space.around(x)
    direction = torch.randn(4, 50)
    if isinstance(space, Linf):
        edge = x + space.radius * direction.sign()
        beyond = x + (space.radius + 1e-5) * direction.sign()
    else:
        unit = direction / direction.norm(dim=1, keepdim=True)
        edge, beyond = x + (space.radius - 1e-6) * unit, x + (space.radius + 1e-5) * unit
    assert bool(region.contains(edge).all())
    assert not bool(region.contains(beyond).any())
    for bad in (math.nan, math.inf, -1e-6, 1 + 1e-6):
        broken = x.clone()
        broken[1, 3] = bad
        if bad in (-1e-6, 1 + 1e-6):  # even where the ball would allow it
            broken = x.clone()
            broken[1, 3] = x[1, 3] = round(bad)
            broken[1, 3] = bad
            assert space.around(x).contains(broken).tolist() == [True, False, True, True]
        else:
            assert region.contains(broken).tolist() == [True, False, True, True]


@BOTH
def test_one_coordinate_outside_is_enough(space):
    x = torch.full((2, 1000), 0.5)
    moved = x.clone()
    moved[1, 77] += space.radius + 1e-5
    assert space.around(x).contains(moved).tolist() == [True, False]


@BOTH
def test_a_radius_per_example(space):
    torch.manual_seed(0)
    x = torch.rand(4, 3, 5)
    radius = torch.tensor([0.0, 0.01, 0.1, 0.5])
    region = space.around(x, radius)
    z = region.project(x + 10 * torch.randn_like(x))
    assert torch.equal(z[0], x[0])
    assert bool(region.contains(z).all())
    assert bool((region.size(z) <= radius * (1 + 1e-6)).all())
    assert bool((region.size(z)[1:] > 0.5 * radius[1:]).all())
    start = region.init(rng(4))
    assert torch.equal(start[0], x[0])
    assert bool(region.contains(start).all())
    assert bool(region.contains(region.propose(region.propose_start(rng(4)), rng(4), 0.3)).all())
    for i in range(4):
        alone = space.around(x[i : i + 1], float(radius[i]))
        assert torch.equal(alone.project(x[i : i + 1] + 1), region.project(x + 1)[i : i + 1])
    assert torch.equal(region.take(torch.tensor([2])).radius, radius[[2]])


@BOTH
def test_starts_are_uniform_in_the_ball(space):
    x = torch.full((4000, 3), 0.5)
    region = space.around(x, 0.2)
    z = (region.init(rng(4000)) - x).double() / 0.2
    assert z.mean(0).abs().max() < 0.05
    if isinstance(space, Linf):
        assert z.var(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    else:
        volume = z.norm(dim=1) ** 3  # uniform in [0, 1] when the draw is uniform in the ball
        assert float(volume.mean()) == pytest.approx(0.5, abs=0.02)
        assert float(volume.var()) == pytest.approx(1 / 12, abs=0.01)


@BOTH
def test_a_step_is_the_steepest_of_its_length(space):
    torch.manual_seed(0)
    x = torch.full((3, 40), 0.5)
    region = space.around(x)
    grad = torch.randn(3, 40)
    move = region.step(x, grad, 0.5) - x
    length = region.norms(move)
    assert length.tolist() == pytest.approx([space.radius / 2] * 3, rel=1e-4)
    gain = (move * grad).sum(1)
    assert torch.allclose(gain, length * region.dual_norm(grad), rtol=1e-4)
    per_example = region.step(x, grad, torch.tensor([0.1, 0.5, 0.0])) - x
    assert torch.allclose(
        region.norms(per_example), space.radius * torch.tensor([0.1, 0.5, 0]), atol=1e-6
    )


@BOTH
@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e8])
def test_the_scale_of_a_gradient_does_not_matter(space, scale):
    torch.manual_seed(0)
    x = torch.rand(3, 40)
    grad = torch.randn(3, 40)
    region = space.around(x)
    assert torch.allclose(region.step(x, grad * scale, 0.5), region.step(x, grad, 0.5), atol=1e-6)


@BOTH
def test_a_zero_gradient_moves_nothing(space):
    x = torch.rand(3, 40)
    assert torch.equal(space.around(x).step(x, torch.zeros_like(x), 1.0), x)


@BOTH
def test_other_ranges(space):
    space = type(space)(eps=0.5, range=(-1.0, 2.0))
    x = 3 * torch.rand(5, 20) - 1
    region = space.around(x)
    z = region.project(x + 5 * torch.randn_like(x))
    assert bool(region.contains(z).all())
    assert float(z.min()) < -0.2
    assert float(z.max()) > 1.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Linf(eps=8),
            r"Linf: eps must be in \(0, 1\], got 8; inputs are in 0..1: write 8/255",
        ),
        (lambda: Linf(eps=0), "eps must be in"),
        (lambda: Linf(eps="-1/255"), "eps must be in"),
        (lambda: L2(eps=0), "eps must be in"),
        (lambda: Linf(eps="lots"), "eps must be a number such as"),
        (lambda: Linf(eps=0.1, range=(1.0, 0.0)), "range must be"),
        (lambda: L2(eps=3).around(torch.rand(2, 4)), r"\(0, 2\].*differ by over 2"),
        (lambda: Linf(eps=0.1).around(torch.rand(3, 2), torch.rand(2)), "one per example"),
        (lambda: Linf(eps=0.1).around(torch.rand(3, 2), -0.1), "radius must be 0 or more"),
        (lambda: L2(eps=0.1).around(torch.rand(3, 2), math.nan), "radius must be finite, got nan"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_sentences_and_digests():
    assert Linf(eps="8/255").sentence() == "Linf eps=8/255, inputs in 0..1"
    assert L2(eps=0.5).digest != Linf(eps=0.5).digest
    assert Linf(eps="8/255").radius == 8 / 255


@pytest.mark.parametrize("shape", [(9, 7), (1, 30), (30, 1), (4, 100), (100, 4)], ids=str)
@pytest.mark.parametrize("fraction", [0.8, 0.2, 0.01])
def test_windows_reach_every_place_and_have_about_their_share(shape, fraction):
    height, width = shape
    window = square_windows.draw(rng(3000), height, width, fraction)
    mask = window.mask(height, width)
    assert bool(mask.any(0).all())  # the last row and column too
    assert bool((mask.sum((1, 2)) == window.height * window.width).all())
    share = window.height * window.width / (height * width)
    assert share == pytest.approx(fraction, abs=0.5 / min(height, width) + 1 / max(height, width))


def test_the_bump_is_the_papers():
    """Two opposite hills, unit norm; the inner rectangle of a 3 x 3 hill weighs 1 + 1/4."""
    bump = square_windows.bump(6, 3)
    assert float(bump.square().sum()) == pytest.approx(1, rel=1e-6)
    assert torch.allclose(bump[:3], -bump[3:])
    assert float(bump[1, 1] / bump[0, 0]) == pytest.approx(1.25 / 0.25, rel=1e-5)


def test_a_square_step_in_l2_moves_mass_as_in_the_paper():
    """Algorithm 3: each channel keeps its own mass; the rest of the image stays as it was."""
    torch.manual_seed(0)
    x = torch.full((8, 3, 12, 12), 0.5)
    region = L2(eps=0.5).around(x)
    z = region.propose_start(rng(8))
    before = z - x
    after = region.propose(z, rng(8).at(1), 0.1) - x
    for i in range(8):
        assert float(after[i].norm()) == pytest.approx(0.5, rel=1e-4)
        # start fills the ball, so the mass of each channel is what it was
        assert torch.allclose(
            after[i].flatten(1).norm(dim=1), before[i].flatten(1).norm(dim=1), rtol=1e-3
        )
    changed = ((after - before).abs() > 1e-4).float().mean()
    assert 0.01 < float(changed) < 0.3


def test_a_square_step_in_linf_sets_one_window_to_a_corner_per_channel():
    x = torch.full((20, 3, 10, 10), 0.5)
    region = Linf(eps=0.1).around(x)
    z = region.project(x)
    moved = region.propose(z, rng(20), 0.25)
    inside = moved != z
    assert bool((inside.float().mean((1, 2, 3)) == 0.25).all())
    for i in range(20):
        for c in range(3):
            values = (moved[i, c] - x[i, c])[inside[i, c]].unique()
            assert len(values) == 1
            assert abs(float(values)) == pytest.approx(0.1, rel=1e-5)


WHOLE = [
    *(
        space(eps=1.0)
        for space in (L0, L1, L2, Linf, PixelL0, Flow, Recolor, CommonCorruptions, Patch)
    ),
    Linf(eps=16.0, range=(0.0, 255.0)),
    Patch(height=1.0, width=1.0, shape=Circle(radius=1.0)),
    Masked(eps=1.0, shapes=(Circle(radius=1.0), Frame(width=1.0), Rectangle(height=1.0))),
    RotationTranslation(eps=1.0, degrees=20.0, shift=2.0),
    RotationTranslation(eps="1/2"),
]


@pytest.mark.parametrize("space", WHOLE, ids=lambda space: space.sentence()[:40])
def test_a_set_read_from_a_claim_says_the_same_of_itself(space):
    """Plain data write 1.0 as 1; a claim whose sentence is another one is refused."""
    assert build("space", describe(space)).sentence() == space.sentence()
