"""What every set must hold; a new set is tested by being registered and given an example."""

from __future__ import annotations

import pytest
import torch

from components import OWN, SPACES, load_all
from holdfast.components import known
from holdfast.rng import Rng
from holdfast.threat import Dense, Normed, Searchable

pytestmark = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def rng(n, seed=0):
    return Rng(seed, torch.arange(n))


def test_every_registered_space_is_here(space):
    load_all()
    assert set(SPACES) | OWN == set(known("space"))


@pytest.mark.parametrize("shape", [(30,), (6, 5), (2, 4, 5), (2, 2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_every_point_that_a_set_makes_is_in_it(space, shape, dtype):
    torch.manual_seed(0)
    x = torch.rand(6, *shape, dtype=dtype)
    x[0] = x[0].round()
    region, at = space.around(x), rng(6)
    made = [region.center(), region.init(at)]
    made += [region.project(region.step(made[-1], torch.randn_like(x), f)) for f in (0.1, 1.0, 9.0)]
    if isinstance(region, Searchable):
        made.append(region.propose_start(at))
        made += [region.propose(made[-1], at.at(k), 0.5 / 2**k) for k in range(5)]
    for z in made:
        x_adv = region.realize(z, at)
        assert x_adv.shape == x.shape
        assert x_adv.dtype == dtype
        assert bool(region.contains(x_adv).all())
        assert bool((region.size(z) <= region.radius * (1 + 1e-5)).all())
        assert torch.equal(region.lift(z, at), x_adv)


def test_the_center_is_the_unchanged_input(space):
    x = torch.rand(3, 7)
    region = space.around(x)
    assert torch.equal(region.realize(region.center(), rng(3)), x)
    assert torch.equal(region.size(region.center()), torch.zeros(3))


def test_the_corners_of_the_cube_are_as_far_as_a_point_may_be(space):
    x = torch.full((2, 30), 0.5)
    region = space.around(x)
    if isinstance(region, Dense):
        corner = x + region.cube()[:, None] * torch.randn(2, 30).sign()
        assert torch.allclose(region.size(corner), region.radius)


def test_a_set_states_what_it_can(space):
    region = space.around(torch.rand(1, 4))
    if isinstance(region, Normed):
        assert region.dual_norm(torch.ones(1, 4)).shape == (1,)


def test_projection_is_idempotent_and_leaves_inner_points_alone(space):
    torch.manual_seed(0)
    x = torch.rand(12, 2, 5)
    region = space.around(x)
    once = region.project(x + 3 * torch.randn_like(x))
    assert torch.equal(region.project(once), once)
    inner = region.project(region.init(rng(12)))
    assert torch.equal(region.project(inner), inner)
    assert torch.equal(region.project(region.center()), x)


def test_every_operation_is_independent_of_batch_mates(space):
    """Bit for bit: an example inside the ball must not notice a mate outside it."""
    torch.manual_seed(0)
    x = torch.rand(6, 3, 4, 4)
    z = x + torch.tensor([0.001, 1, 0.01, 5, 0.0, 0.1]).view(-1, 1, 1, 1) * torch.randn_like(x)
    region, at = space.around(x), rng(6).at(2, of=9)
    operations = {
        "project": lambda r, z, at: r.project(z),
        "step": lambda r, z, at: r.step(z, z - 0.5, 0.3),
        "init": lambda r, z, at: r.init(at),
        "propose_start": lambda r, z, at: r.propose_start(at),
        "propose": lambda r, z, at: r.propose(r.project(z), at, 0.3),
        "size": lambda r, z, at: r.size(z),
        "contains": lambda r, z, at: r.contains(z),
    }
    operations = {name: call for name, call in operations.items() if hasattr(region, name)}
    for name, operation in operations.items():
        together = operation(region, z, at)
        for i in range(6):
            idx = torch.tensor([i])
            alone = operation(region.take(idx), z[idx], at.take(idx))
            assert torch.equal(alone, together[idx]), name


def test_the_layout_in_memory_does_not_matter(space):
    torch.manual_seed(0)
    x = torch.rand(4, 3, 6, 6)
    z = x + torch.randn_like(x)
    other = x.contiguous(memory_format=torch.channels_last)
    moved = z.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    at = rng(4)
    one, two = space.around(x), space.around(other)
    assert torch.allclose(one.project(z), two.project(moved), atol=1e-7)
    assert torch.allclose(one.step(z, z, 0.2), two.step(moved, moved, 0.2), atol=1e-7)
    if isinstance(one, Searchable):
        assert torch.allclose(
            one.propose(one.project(z), at, 0.3),
            two.propose(two.project(moved), at, 0.3),
            atol=1e-6,
        )


def test_what_goes_in_is_not_changed(space):
    torch.manual_seed(0)
    x = torch.rand(4, 3, 6, 6)
    z, grad = x + torch.randn_like(x), torch.randn_like(x)
    kept = [x.clone(), z.clone(), grad.clone()]
    region = space.around(x)
    region.project(z)
    region.step(z, grad, 0.4)
    if isinstance(region, Searchable):
        region.propose(region.project(z), rng(4), 0.4)
    region.contains(z)
    for before, after in zip(kept, (x, z, grad), strict=True):
        assert torch.equal(before, after)
