from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from holdfast.components import describe, known
from holdfast.errors import ConfigError, InputError
from holdfast.models import MLP, PreActResNet18, SmallCNN, StrideCNN, WideResNet, build_network

SMALL = [
    MLP(hidden=(16,)),
    MLP(hidden=()),
    SmallCNN(width=4, hidden=8),
    StrideCNN(width=4, hidden=8),
    PreActResNet18(width=4),
    WideResNet(depth=10, widen=1),
]


def weights(net):
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("spec", SMALL, ids=repr)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28)])
def test_every_network_fits_every_image(spec, shape):
    net = build_network(spec, shape, 7)
    assert net(torch.rand(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("spec", SMALL, ids=repr)
def test_a_network_is_rebuilt_from_its_description(spec):
    stored = json.loads(json.dumps(describe(spec)))
    a, b = (build_network(given, (1, 8, 8), 3, seed=5) for given in (spec, stored))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_every_registered_network_is_tried_here():
    assert set(known("network").values()) == {type(spec) for spec in SMALL}


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [
        ("stride_cnn", (1, 28, 28), 166_406),  # the published network
        ("preactresnet18", (3, 32, 32), 11_172_170),
        ("mlp", (64,), 64 * 256 + 256 + 256 * 256 + 256 + 2570),
    ],
)
def test_sizes(name, shape, size):
    assert weights(build_network(name, shape, 10)) == size


def test_size_of_a_wide_network():
    with torch.device("meta"):
        assert weights(WideResNet(depth=28, widen=10).build((3, 32, 32), 10)) == 36_479_194


def test_initial_weights_follow_the_seed_and_touch_no_random_state():
    before = torch.random.get_rng_state()
    a, b, c = (build_network("stride_cnn", (1, 8, 8), 3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, c[0].weight)


def test_a_module_passes_through():
    net = nn.Linear(2, 2)
    assert build_network(net, (2,), 2) is net


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("preactresnet", "did you mean 'preactresnet18'"),
        ({"type": "mlp", "hidden_units": [3]}, "did you mean 'hidden'"),
        ({"type": "mlp", "hidden": "wide"}, "hidden must be"),
        ({"type": "wideresnet", "depth": 27}, "6n \\+ 4"),
    ],
)
def test_bad_specifications_are_one_error(spec, words):
    with pytest.raises(ConfigError, match=words):
        build_network(spec, (3, 32, 32), 10)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 2, 2)])
def test_convolutions_refuse_what_is_no_image(shape):
    with pytest.raises(InputError, match="use 'mlp'"):
        build_network("small_cnn", shape, 10)


def test_one_class_is_refused():
    with pytest.raises(InputError, match="at least 2"):
        build_network("mlp", (4,), 1)
