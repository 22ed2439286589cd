"""What may happen to an image: each example has its own, and gradients pass."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import nn

from components import load_all
from holdfast.components import known
from holdfast.errors import ConfigError, InputError
from holdfast.models import Rotation, Transformed, Translation, wrap
from holdfast.resampling import centered, rotate, sample_centered
from holdfast.rng import Rng

load_all()
ALL = known("transform")


def images(n=4, seed=0):
    return Rng(seed, torch.arange(n)).uniform((3, 6, 7))


def still(cls):
    return cls(**{field.name: 0.0 for field in fields(cls)})


@pytest.mark.parametrize("name", ALL)
def test_at_strength_zero_nothing_happens_and_else_something_does(name):
    x, at = images(), Rng(0, torch.arange(4))
    assert torch.allclose(still(ALL[name])(x, at), x, atol=1e-5)
    assert not torch.allclose(ALL[name]()(x, at), x, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_every_example_has_its_own_and_notices_no_mates(name):
    x, transform = images(1).expand(4, -1, -1, -1), ALL[name]()
    at = Rng(0, torch.arange(4))
    seen = transform(x, at)
    assert not torch.allclose(seen[0], seen[1], atol=1e-4)
    idx = torch.tensor([2])
    assert torch.allclose(transform(x[idx], at.take(idx)), seen[idx], atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_those_of_small_differences(name):
    x, at, transform = images(1).double(), Rng(0, torch.arange(1)), ALL[name]()
    assert torch.autograd.gradcheck(lambda x: transform(x, at), x.requires_grad_())


def test_a_quarter_turn_is_exact():
    x = images()[:, :, :, :6]
    turned = Rotation(degrees=90)
    angle = torch.full((4,), torch.pi / 2)

    seen = sample_centered(x, *rotate(*centered(x), angle))
    assert torch.allclose(seen, x.rot90(1, (2, 3)), atol=1e-5) or torch.allclose(
        seen, x.rot90(-1, (2, 3)), atol=1e-5
    )
    assert turned(x, Rng(0, torch.arange(4))).shape == x.shape


def test_fixed_looks_are_a_model_without_chance_and_random_ones_average_to_it():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 7, 3)).requires_grad_(False)
        x = images(2)
        fixed = Transformed(net, (Translation(share=0.2),), looks=60)
        assert torch.equal(fixed(x), fixed(x))
        assert torch.allclose(fixed(x[1:]), fixed(x)[1:], atol=1e-5)
        random = Transformed(net, (Translation(share=0.2),))
        assert not torch.equal(random(x), random(x))
        mean = torch.stack([random(x) for _ in range(60)]).mean(0)
    assert float((mean - fixed(x)).abs().max()) < 0.1
    assert wrap(fixed) is fixed


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match=r"degrees must be in \[0, 180\], got 200"):
        Rotation(degrees=200)
    with pytest.raises(InputError, match="at least one transformation"):
        Transformed(nn.Flatten(), ())
    with pytest.raises(InputError, match="need images"):
        Transformed(nn.Flatten(), (Translation(),))(torch.rand(2, 5))
