from __future__ import annotations

import copy
from collections import UserDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from holdfast.errors import InputError
from holdfast.models import Model, frozen, wrap


class Returns(nn.Module):
    """A network whose output is made by a function of x."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.function(x * self.scale)


def linear(features=4, classes=3):
    torch.manual_seed(0)
    return nn.Linear(features, classes)


def test_logits_pass_through():
    net, x = linear(), torch.rand(5, 4)
    assert torch.equal(wrap(net)(x), net(x))


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_one_logit_becomes_the_pair_zero_and_z(shape):
    z = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
    logits = wrap(Returns(lambda x: z.reshape(shape)))(torch.zeros(5, 4))
    assert torch.equal(logits, torch.stack([torch.zeros(5), z], dim=1))


@pytest.mark.parametrize(
    "pack",
    [
        lambda x: SimpleNamespace(logits=x),
        lambda x: {"logits": x, "loss": None},
        lambda x: UserDict(logits=x),
    ],
    ids=["object", "dict", "mapping"],
)
def test_logits_are_unwrapped(pack):
    x = torch.rand(5, 4)
    assert torch.equal(wrap(Returns(pack))(x), x)


class Second(nn.Module):
    def forward(self, input_ids=None, pixel_values=None):
        return 2 * pixel_values


class Alone(nn.Module):
    def forward(self, *, pixel_values, labels=None):
        return 2 * pixel_values


class First(nn.Module):
    def forward(self, pixel_values, labels=None):
        return 2 * pixel_values


@pytest.mark.parametrize("kind", [Second, Alone, First])
def test_pixel_values_are_given_by_name_where_they_do_not_come_first(kind):
    x, net = torch.rand(5, 4), kind()
    model = wrap(net)
    assert torch.equal(model(x), 2 * x)
    assert model.title == kind.__name__
    assert model.network is net
    assert (model.module is net) == (kind is First)
    assert torch.equal(wrap(net, outputs="probabilities")(x[:0]), x[:0].log())


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: (x, x), "tuple"),
        (lambda x: x.argmax(1), "before argmax"),
        (lambda x: x.unsqueeze(-1), "flatten or pool"),
        (lambda x: x[0], "flatten or pool"),
        (lambda x: x.sum(), "flatten or pool"),
        (lambda x: x[:, :0], "flatten or pool"),
        (lambda x: {"scores": x}, "dict"),
    ],
)
def test_other_outputs_are_one_clear_error(function, words):
    with pytest.raises(InputError, match=words):
        wrap(Returns(function))(torch.rand(5, 4))


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_logits_have_at_least_float32(given, returned):
    assert wrap(Returns(lambda x: x.to(given)))(torch.rand(2, 3)).dtype == returned


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 4, 4), (2, 3, 2, 2, 2)])
def test_normalisation_is_per_channel(shape):
    mean, std = [0.1, 0.2, 0.3], [0.5, 1.0, 2.0]
    x = torch.rand(shape)
    expected = torch.stack([(x[:, c] - mean[c]) / std[c] for c in range(3)], dim=1)
    model = wrap(Returns(lambda z: z.flatten(1)), normalize=(mean, std))
    assert torch.allclose(model(x), expected.flatten(1))


def test_normalisation_by_one_number():
    x = torch.rand(2, 3, 4)
    model = wrap(Returns(lambda z: z.flatten(1)), normalize=(0.5, 0.25))
    assert torch.equal(model(x), ((x - 0.5) / 0.25).flatten(1))


def test_normalisation_by_arrays_of_any_kind():
    mean, std = np.array([0.3, 0.2, 0.1])[::-1], np.array([0.5, 1.0, 2.0]).astype(">f4")
    std.flags.writeable = False
    flat = Returns(lambda z: z.flatten(1))
    x = torch.rand(2, 3, 4)
    expected = wrap(flat, normalize=(mean.tolist(), std.tolist()))(x)
    assert torch.equal(wrap(flat, normalize=(mean, std))(x), expected)


@pytest.mark.parametrize(
    "normalize",
    [(0.5, 0.0), (0.5, -1.0), ([0.1, 0.2], [1.0, 1.0, 1.0]), (float("nan"), 1.0), "mean", (0.5,)],
)
def test_bad_statistics_are_refused(normalize):
    with pytest.raises(InputError, match="normalize"):
        wrap(linear(), normalize=normalize)


def test_statistics_of_another_channel_count_do_not_broadcast():
    model = wrap(Returns(lambda z: z.flatten(1)), normalize=([0.1] * 3, [1.0] * 3))
    with pytest.raises(InputError, match="3 channels"):
        model(torch.rand(2, 1, 4, 4))


def test_what_is_not_a_module_is_refused():
    with pytest.raises(InputError, match=r"torch\.nn\.Module, .*; got dict"):
        wrap({"a": 1})
    with pytest.raises(InputError, match="state what function <lambda> returns"):
        wrap(lambda x: x)


@pytest.mark.parametrize("range", [(1.0, 0.0), (0.0, 0.0), (0.0,), "low", (0.0, float("nan"))])
def test_bad_ranges_are_refused(range):
    with pytest.raises(InputError, match="range"):
        wrap(linear(), range=range)


def test_wrapping_twice_gives_the_same_model():
    model = wrap(linear(), normalize=(0.5, 0.5), range=(-1, 1))
    assert wrap(model) is model
    assert wrap(model, range=(-1, 1)) is model
    with pytest.raises(InputError, match="wrapped already"):
        wrap(model, normalize=(0.1, 0.1))
    with pytest.raises(InputError, match="wrapped already"):
        wrap(model, range=(0, 255))


def test_a_model_is_an_ordinary_module():
    model = wrap(linear(), normalize=([0.5] * 4, [0.5] * 4))
    x = torch.rand(2, 4)
    assert set(model.state_dict()) == {"module.weight", "module.bias"}
    twin = copy.deepcopy(model)
    assert torch.equal(twin(x), model(x))
    twin.double()
    assert twin.mean.dtype == torch.float64
    assert "mean=" in repr(model)
    assert "range=(0.0, 1.0)" in repr(wrap(linear()))


def test_around_keeps_the_normalisation():
    model = wrap(linear(), normalize=(0.5, 0.5), range=(-1, 1))
    other = model.around(nn.Identity())
    assert isinstance(other, Model)
    assert other.range == (-1, 1)
    assert torch.equal(other(torch.ones(2, 4)), torch.ones(2, 4))


class Moody(nn.Sequential):
    """A network whose `train` does more than set flags."""

    def train(self, mode=True):
        raise AssertionError("frozen must not call train()")


def mixed():
    net = Moody(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))
    net[0].weight.requires_grad_(False)
    net[1].training = False
    return net


def state(net):
    return [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]


def test_frozen_holds_still_and_restores():
    net = mixed()
    net[3].weight.grad = torch.ones(3, 4)
    before = state(net)
    with frozen(net):
        modes, flags = state(net)
        assert not any(modes)
        assert not any(flags)
        with frozen(net):
            assert state(net) == (modes, flags)
        assert state(net) == (modes, flags)
    assert state(net) == before
    assert torch.equal(net[3].weight.grad, torch.ones(3, 4))


def test_frozen_restores_after_an_exception_and_after_meddling():
    net = mixed()
    before = state(net)
    with pytest.raises(KeyError), frozen(net):
        net[0].weight.requires_grad_(True)
        net[2].training = True
        raise KeyError
    assert state(net) == before


def test_frozen_keeps_batch_statistics_and_still_gives_input_gradients():
    net = mixed()
    net[1].training = True
    x = torch.rand(6, 4, requires_grad=True)
    with frozen(net):
        (grad,) = torch.autograd.grad(net(x).sum(), x)
    assert grad.abs().sum() > 0
    assert net[1].num_batches_tracked == 0
