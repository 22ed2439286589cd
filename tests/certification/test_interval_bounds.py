"""Bounds of logit gaps against exact values, against points of the box, and refusals."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from holdfast.certification import logit_gaps
from holdfast.errors import Unsupported
from holdfast.models import BrightnessContrast, Transformed, build_network, wrap


def gaps(model, x, y):
    logits = model(x)
    return logits - logits.gather(1, y[:, None])


@pytest.fixture
def x():
    return torch.rand((5, 1, 8, 8), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def y():
    return torch.tensor([0, 1, 2, 3, 1])


def test_bounds_of_a_linear_model_are_exact(x, y):
    model = wrap(build_network({"type": "mlp", "hidden": []}, (1, 8, 8), 4), normalize=(0.3, 0.5))
    low, high = (x - 0.1).clamp_min(0), (x + 0.1).clamp_max(1)
    bounds = logit_gaps(model, low, high, y)
    weight = model.module[-1].weight
    for k in range(4):
        direction = (weight[k] - weight[y]).reshape(x.shape)
        worst = torch.where(direction > 0, high, low)
        assert torch.allclose(bounds[:, k], gaps(model, worst, y)[:, k], atol=1e-5)


NETWORKS = {
    "stride_cnn": build_network({"type": "stride_cnn", "width": 4}, (1, 8, 8), 4),
    "mlp": build_network({"type": "mlp", "hidden": [16, 16]}, (1, 8, 8), 4),
    "pooled": nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Identity(),
        nn.Linear(12, 4, bias=False),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_no_point_of_the_box_is_above_the_bounds(name, x, y):
    model = wrap(NETWORKS[name], normalize=(0.3, 0.5))
    low, high = (x - 0.05).clamp_min(0), (x + 0.05).clamp_max(1)
    bounds = logit_gaps(model, low, high, y)
    assert torch.equal(bounds.gather(1, y[:, None]), torch.zeros(5, 1))
    draw = torch.Generator().manual_seed(1)
    for _ in range(200):
        corner = torch.rand(x.shape, generator=draw) < 0.5
        assert (gaps(model, torch.where(corner, low, high), y) <= bounds + 1e-5).all()
    point = logit_gaps(model, x, x, y)  # a box without extent has exact bounds
    assert torch.allclose(point, gaps(model, x, y), atol=1e-5)


def test_layers_without_a_rule_are_named(x, y):
    for layer in (nn.Tanh(), nn.BatchNorm2d(1), nn.Conv2d(1, 1, 3, padding_mode="circular")):
        model = nn.Sequential(layer, nn.Flatten(), nn.Linear(64, 4))
        with pytest.raises(Unsupported, match=r"Tanh|BatchNorm2d|padding_mode"):
            logit_gaps(model, x, x, y)
    with pytest.raises(Unsupported, match="ends in"):
        logit_gaps(nn.Sequential(nn.Flatten(), nn.ReLU()), x, x, y)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Backwards(nn.Sequential):
    def __iter__(self):
        return reversed(list(super().__iter__()))


class Leaky(nn.ReLU):
    def forward(self, x):
        return nn.functional.leaky_relu(x, 2.0)


def hooked(layer, pre=False):
    if pre:
        layer.register_forward_pre_hook(lambda _, given: (3 * given[0],))
    else:
        layer.register_forward_hook(lambda _, given, out: 3 * out)
    return layer


def patched(layer):
    layer.forward = lambda x: -x
    return layer


def linear():
    return nn.Linear(8, 8)


CHANGED = {  # networks (8,) -> (4,), one part of which does not compute what its type says
    "through Residual": lambda: [Residual(linear(), nn.ReLU()), nn.Linear(8, 4)],
    "through Backwards": lambda: [Backwards(nn.ReLU(), linear()), nn.Linear(8, 4)],
    "got Doubled": lambda: [linear(), Doubled(8, 4)],
    "through Doubled": lambda: [Doubled(8, 8), nn.Linear(8, 4)],
    "through Leaky": lambda: [linear(), Leaky(), nn.Linear(8, 4)],
    "through Dropout": lambda: [nn.Dropout(), nn.Linear(8, 4)],
    "through Linear with forward hooks": lambda: [hooked(linear()), nn.Linear(8, 4)],
    "through ReLU with forward hooks": lambda: [hooked(nn.ReLU()), nn.Linear(8, 4)],
    "Linear with forward hooks": lambda: [linear(), hooked(nn.Linear(8, 4), pre=True)],
    "Sequential with forward hooks": lambda: [hooked(nn.Sequential(linear())), nn.Linear(8, 4)],
    "Linear with a forward set": lambda: [patched(linear()), nn.Linear(8, 4)],
    "Sequential with a forward set": lambda: [patched(nn.Sequential(linear())), nn.Linear(8, 4)],
    "parametrizations": lambda: [nn.utils.weight_norm(linear()), nn.Linear(8, 4)],
}


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize("said", CHANGED)
def test_a_layer_that_computes_something_else_than_its_type_is_refused_by_name(said, x, y):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), *CHANGED[said]())
    with pytest.raises(Unsupported, match=said):
        logit_gaps(wrap(net), x, x, y)


def test_models_that_do_more_than_normalize_are_no_plain_wrappers(x, y):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    shaken = Transformed(wrap(net), (BrightnessContrast(brightness=0.5, contrast=0.0),), looks=2)
    with pytest.raises(Unsupported, match="Transformed"):
        logit_gaps(shaken, x, x, y)
    for layer in (nn.AvgPool2d(8, divisor_override=-1), nn.MaxPool2d(8, return_indices=True)):
        with pytest.raises(Unsupported, match=type(layer).__name__):
            logit_gaps(nn.Sequential(layer, nn.Flatten(), nn.Linear(1, 4)), x, x, y)


class Named(nn.Sequential):
    """A subclass that computes what nn.Sequential does."""


def kept():
    shared = nn.Linear(8, 8)
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))  # draws anew in train mode
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))
    return {
        "subclass": Named(nn.Flatten(), nn.Linear(64, 4)),
        "shared": nn.Sequential(nn.Flatten(), nn.Linear(64, 8), shared, nn.ReLU(), shared, shared,
                                nn.Linear(8, 4)),
        "parametrized": nn.Sequential(nn.Flatten(), nn.Linear(64, 8), spectral, nn.ReLU(), normed),
        "in place": nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 4)),
        "float64": nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).double(),
        "wrapped twice": nn.Sequential(wrap(nn.Flatten(), (0.2, 0.4)), nn.Linear(64, 4)),
    }  # fmt: skip


@pytest.mark.parametrize("name", kept())
def test_what_computes_what_its_type_does_has_sound_bounds(name, x, y):
    model = wrap(kept()[name].eval(), normalize=(0.3, 0.5))
    low, high = (x - 0.05).clamp_min(0), (x + 0.05).clamp_max(1)
    before = low.clone()
    bounds = logit_gaps(model, low, high, y)
    assert torch.equal(low, before)
    draw = torch.Generator().manual_seed(1)
    for _ in range(100):
        point = torch.where(torch.rand(x.shape, generator=draw) < 0.5, low, high)
        assert (gaps(model, point, y) <= bounds + 1e-5).all()
    point = logit_gaps(model, x, x, y)
    assert torch.allclose(point.float(), gaps(model, x.clone(), y).float(), atol=1e-4)


def test_a_single_logit_is_the_pair_of_zero_and_itself(x):
    model, y = wrap(nn.Sequential(nn.Flatten(), nn.Linear(64, 1))), torch.tensor([0, 1, 1, 0, 1])
    bounds = logit_gaps(model, x - 0.1, x + 0.1, y)
    weight = model.module[1].weight.abs().sum() * 0.1
    there = gaps(model, x, y)
    assert torch.allclose(
        bounds.amax(1), (there.gather(1, 1 - y[:, None])[:, 0] + weight).clamp_min(0)
    )
