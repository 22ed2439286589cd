"""What every norm ball solves exactly: projection, proximal step, nearest point on a plane."""

from __future__ import annotations

import itertools

import pytest
import torch

from holdfast.errors import InputError
from holdfast.rng import Rng
from holdfast.spaces import L0, L1, L2, Linf
from holdfast.spaces.norm_balls import projections
from holdfast.threat import Normed, Sparse

SPACES = [L0(eps=3), L1(eps=1.5), L2(eps=0.7), Linf(eps=0.1)]
NAMES = ["l0", "l1", "l2", "linf"]
EVERY = pytest.mark.parametrize("space", SPACES, ids=NAMES)
INPUTS = ["rand", "edge"]


def rng(n, seed=0):
    return Rng(seed, torch.arange(n))


def inputs(kind, n=40, d=30):
    torch.manual_seed(0)
    x = torch.rand(n, d).double()
    return x if kind == "rand" else x.round()


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("radius", [1e-3, 0.3, 1.5, 8.0])
@pytest.mark.parametrize("reach", [0.1, 1.0, 30.0])
def test_the_l1_projection_satisfies_the_kkt_conditions(kind, radius, reach):
    """Free coordinates were shortened by one amount t, zero ones by less, full ones by more."""
    x = inputs(kind)
    z = x + reach * torch.randn_like(x)
    p = L1(eps=radius).around(x, radius).project(z)
    change, wanted = (p - x).abs(), (z - x).abs()
    room = torch.where(z > x, 1 - x, x)
    total = torch.minimum(wanted, room).sum(1)
    assert bool((change.sum(1) <= radius * (1 + 1e-9)).all())
    assert bool(((p - x) * (z - x) >= 0).all())
    for i in range(len(x)):
        if float(total[i]) <= radius:
            assert torch.allclose(p[i], z[i].clamp(0, 1))
            continue
        assert float(change[i].sum()) == pytest.approx(radius, rel=1e-6)
        short = wanted[i] - change[i]
        tiny = 1e-9
        free = (change[i] > tiny) & (change[i] < room[i] - tiny)
        t = short[free]
        if len(t):
            assert float(t.max() - t.min()) < 1e-6
            least, most = float(t.min()) - 1e-6, float(t.max()) + 1e-6
            assert bool(
                (short[change[i] <= tiny] <= most)
                .logical_or(room[i][change[i] <= tiny] <= tiny)
                .all()
            )
            assert bool(
                (short[change[i] >= room[i] - tiny] >= least)
                .logical_or(room[i][change[i] >= room[i] - tiny] <= tiny)
                .all()
            )


@pytest.mark.parametrize("kind", INPUTS)
def test_no_valid_point_of_the_l1_ball_is_nearer(kind):
    """Dykstra's alternating projections, slow and independent, end at the same point."""
    x = inputs(kind, n=6, d=8)
    z = x + torch.randn_like(x)
    found = L1(eps=0.8).around(x).project(z)
    for i in range(len(x)):
        p, one, two = z[i].clone(), torch.zeros(8).double(), torch.zeros(8).double()
        for _ in range(3000):
            y = simplex(p + one - x[i], 0.8) + x[i]
            one = p + one - y
            p = (y + two).clamp(0, 1)
            two = y + two - p
        assert torch.allclose(found[i], p, atol=1e-5)


def simplex(u, radius):
    """Project u (d,) onto the L1 ball by sorting (Duchi et al., 2008)."""
    if float(u.abs().sum()) <= radius:
        return u
    ranked = u.abs().sort(descending=True).values
    over = (ranked.cumsum(0) - radius) / torch.arange(1, len(u) + 1)
    t = over[(ranked > over).nonzero().max()]
    return u.sign() * (u.abs() - t).clamp_min(0)


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("reach", [0.3, 3.0])
def test_the_l0_projection_is_the_best_choice_of_coordinates(kind, reach):
    x = inputs(kind, n=10, d=7)
    z = x + reach * torch.randn_like(x)
    found = L0(eps=3).around(x).project(z)
    choices = list(itertools.combinations(range(7), 3))
    for i in range(len(x)):
        tried = x[i].repeat(len(choices), 1)
        for k, chosen in enumerate(choices):
            tried[k, list(chosen)] = z[i, list(chosen)].clamp(0, 1)
        best = (tried - z[i]).square().sum(1).min()
        assert float((found[i] - z[i]).square().sum()) == pytest.approx(float(best), rel=1e-9)
        assert int((found[i] != x[i]).sum()) <= 3


def test_ties_go_to_the_first_coordinates():
    values = torch.tensor([[1.0, 2, 2, 1, 2, 0], [0, 0, 0, 0, 0, 3.0], [1, 1, 1, 1, 1, 1]])
    chosen = projections.largest(values, torch.tensor([2.0, 4.0, torch.inf]))
    assert chosen.long().tolist() == [[0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 1], [1] * 6]
    assert not bool(projections.largest(values, torch.zeros(3)).any())


@EVERY
@pytest.mark.parametrize("kind", INPUTS)
def test_the_proximal_step_is_the_minimum(space, kind):
    """No point near or far is better; L0 and L1 hold where the range matters, too."""
    x = inputs(kind, n=8, d=6)
    narrow = isinstance(space, (L0, L1))
    if not narrow:
        x = 0.4 + 0.2 * x
    region = space.around(x)
    z = x + (0.6 if narrow else 0.1) * torch.randn_like(x)
    amount = torch.tensor([0, 0.01, 0.05, 0.1, 0.2, 0.3, 1.0, 100.0]).double()

    def value(p):
        return (p - z).square().sum(1) / 2 + amount * region.norms(p - x)

    p = region.shrink(z, amount)
    best = value(p)
    assert torch.allclose(p[0], z[0].clamp(0, 1))
    assert torch.equal(p[7], x[7])
    for scale in (1e-4, 1e-3, 1e-2, 0.1, 1.0):
        for _ in range(200):
            other = (p + scale * torch.randn_like(p) * (torch.rand_like(p) < 0.5)).clamp(0, 1)
            assert bool((value(other) >= best - 1e-12).all())
    for share in (0.0, 0.5, 0.9, 1.1):
        other = (x + share * (p - x)).clamp(0, 1)
        assert bool((value(other) >= best - 1e-12).all())


@EVERY
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("share", [1e-3, 0.3, 0.8, 1.0, 1.5])
def test_the_nearest_point_of_a_plane_is_exact(space, kind, share):
    """On the plane, valid, and as near as an independent solution says."""
    x = inputs(kind, n=12, d=25)
    region = space.around(x)
    normal = torch.randn_like(x)
    normal[0, 3] = 0
    room = torch.where(normal > 0, 1 - x, x)
    gap = share * (normal.abs() * room).sum(1)
    p = region.reach(x, normal, gap)
    assert bool(((p >= 0) & (p <= 1)).all())
    gained = (normal * (p - x)).sum(1)
    assert torch.allclose(gained, min(share, 1.0) * gap / share, rtol=1e-7)
    size = region.norms(p - x)
    for i in range(len(x)):
        nearest = smallest(space, normal[i].abs(), room[i], float(gained[i]) * (1 - 1e-9))
        assert float(size[i]) == pytest.approx(nearest, rel=1e-5)
    assert torch.equal(region.reach(x, normal, torch.zeros(12).double()), x)


def smallest(space, weight, room, gap):
    """Return the least norm of a change within `room` that gains `gap`, by bisection in float64."""
    if isinstance(space, (L0, L1)):
        order = (weight * room if isinstance(space, L0) else weight).argsort(descending=True)
        total, gained = 0.0, 0.0
        for k in order.tolist():
            if gained >= gap * (1 - 1e-12):
                break
            part = min((gap - gained) / float(weight[k]), float(room[k])) if weight[k] > 0 else 0
            gained += part * float(weight[k])
            total += 1 if isinstance(space, L0) else part
        return total
    low, high = 0.0, 1e6
    for _ in range(300):
        t = (low + high) / 2
        change = torch.minimum(
            room, t * (weight if isinstance(space, L2) else (weight > 0).double())
        )
        low, high = (low, t) if float((weight * change).sum()) >= gap else (t, high)
    change = torch.minimum(
        room, high * (weight if isinstance(space, L2) else (weight > 0).double())
    )
    return float(change.norm() if isinstance(space, L2) else change.max())


@EVERY
def test_another_radius_and_none(space):
    x = torch.rand(5, 2, 6)
    region = space.around(x)
    assert isinstance(region, Normed)
    free = region.unbounded()
    z = x + torch.randn_like(x)
    assert torch.equal(free.project(z), z.clamp(0, 1))
    assert bool(free.contains(z.clamp(0, 1)).all())
    assert not bool(free.contains(z).all())
    radius = torch.tensor([0.0, 1, 2, 3, 4]) * space.radius / 2
    other = region.at(radius)
    assert torch.equal(other.project(z), space.around(x, radius).project(z))
    assert torch.equal(other.take(torch.tensor([3])).radius, radius[3:4])


@EVERY
@pytest.mark.parametrize("operation", ["shrink", "reach", "sparse_step"])
def test_no_operation_notices_batch_mates(space, operation):
    torch.manual_seed(0)
    x = torch.rand(6, 3, 5)
    region = space.around(x)
    z = (
        x + torch.tensor([0.001, 1, 0.01, 5, 0.0, 0.1]).view(-1, 1, 1) * torch.randn_like(x)
    ).clamp(0, 1)
    normal = torch.randn_like(x)
    amount = torch.tensor([0.0, 0.1, 2.0, 0.01, 100.0, 0.3])
    calls = {
        "shrink": lambda r, i: r.shrink(z[i], amount[i]),
        "reach": lambda r, i: r.reach(z[i], normal[i], amount[i]),
        "sparse_step": lambda r, i: r.sparse_step(z[i], normal[i], 0.3, amount[i].clamp(0, 1)),
    }
    if operation == "sparse_step" and not isinstance(region, Sparse):
        pytest.skip("only sparse sets take sparse steps")
    together = calls[operation](region, torch.arange(6))
    for i in range(6):
        alone = calls[operation](region.take(torch.tensor([i])), torch.tensor([i]))
        assert torch.equal(alone, together[i : i + 1])


def test_a_sparse_step_moves_the_largest_gradients_and_some_that_can_move():
    x = torch.tensor([[0.0, 0.5, 1.0, 0.5, 0.5]])
    grad = torch.tensor([[-9.0, 1.0, 8.0, -3.0, 2.0]])
    region = L1(eps=1).around(x)
    assert (region.sparse_step(x, grad, 0.5, 0.2) - x).tolist() == [[-0.25, 0, 0, -0.25, 0]]
    moved = region.sparse_step(x, grad, 0.75, torch.tensor([0.4])) - x
    assert moved.tolist() == [[-0.25, 0, 0.25, -0.25, 0]]
    # PGD's own step leaves out what is at the end of the range.
    assert (region.step(x, grad, 0.5) - x).tolist() == [[0, 0, 0, -0.5, 0]]
    assert torch.equal(region.sparse_step(x, 0 * grad, 0.5, 0.4), x)


@pytest.mark.parametrize("shape", [(784,), (3, 32, 32), (3, 224, 224)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("space", [L1(eps="1/255"), L1(eps=0.9), L1(eps=12), L0(eps=1), L0(eps=30)])
def test_what_the_set_makes_passes_the_audit_and_wastes_nothing(shape, dtype, space):
    torch.manual_seed(0)
    x = torch.rand(6, *shape, dtype=dtype)
    x[1] = (x[1] > 0.5).to(dtype)
    x[2], x[3], x[4] = 0.5, 1.0, 200 / 255
    region, at, flat = space.around(x), rng(6), torch.ones_like(x)
    made = [region.center(), region.init(at)]
    made += [region.project(region.step(x, flat, 1.0)), region.project(region.step(x, -flat, 3.0))]
    made += [region.project(region.step(made[1], torch.randn_like(x), 0.5))]
    made += [region.project(x + 0.3 * torch.randn_like(x))]
    for k, z in enumerate(made):
        assert z.dtype == dtype
        assert region.contains(z).tolist() == [True] * 6, k
        assert torch.equal(region.project(z), z)
    size = (made[-1].double() - x.double()).flatten(1)
    size = size.abs().sum(1) if isinstance(space, L1) else (size != 0).sum(1)
    assert bool((size > space.radius * (1 - 1e-3)).all())


def test_a_start_in_l1_changes_few_coordinates_by_all_that_the_ball_allows():
    region = L1(eps=12).around(Rng(1, torch.arange(8)).uniform((784,)))
    z = region.sparse_start(rng(8))
    assert torch.allclose(region.size(z), region.radius)
    changed = (z != region.x).sum(1)
    assert bool((changed < 784 / 5).all())
    assert bool((changed > 12).all())


def test_draws_are_uniform_in_the_l1_ball():
    x = torch.full((4000, 3), 0.5)
    z = (L1(eps=0.2).around(x).scatter(rng(4000)) - x).double() / 0.2
    assert z.mean(0).abs().max() < 0.03
    volume = z.abs().sum(1) ** 3  # uniform in [0, 1] when the draw is uniform in the ball
    assert float(volume.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(volume.var()) == pytest.approx(1 / 12, abs=0.01)
    share = z.abs() / z.abs().sum(1, keepdim=True)  # uniform on the simplex: Beta(1, 2) each
    assert share.mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert share.var(0).tolist() == pytest.approx([1 / 18] * 3, abs=0.006)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L1(eps=0), r"L1: eps must be in \(0, inf\]"),
        (lambda: L1(eps=5).around(torch.rand(2, 4)), r"\(0, 4\].*differ by over 4"),
        (lambda: L0(eps=0), "eps must be in"),
        (lambda: L0(eps=2.5), "counts coordinates, got 2.5: write a whole number"),
        (lambda: L0(eps="8/255"), "whole number"),
        (lambda: L0(eps=9).around(torch.rand(2, 4)), "an input has 4 numbers"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_audit_counts_and_sums():
    x = torch.full((2, 1000), 0.5)
    moved = x.clone()
    moved[:, :3] += 0.4
    assert L0(eps=3).around(x).contains(moved).tolist() == [True, True]
    assert L1(eps=1.2).around(x).contains(moved).tolist() == [True, True]
    moved[1, 77] += 1e-5
    assert L0(eps=3).around(x).contains(moved).tolist() == [True, False]
    assert L1(eps=1.2).around(x).contains(moved).tolist() == [True, False]
