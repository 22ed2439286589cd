"""Bounds of logit gaps against exact values, against points of the box, and refusals."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from holdfast.errors import Unsupported
from holdfast.models import build_network, logit_gaps, wrap


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
