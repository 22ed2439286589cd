"""Which parameters decay, and which do not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from holdfast.errors import ConfigError
from holdfast.training import SGD, Adam, AdamW, TrainPlan
from holdfast.training.optimizers import weight_decay_groups


class Custom(nn.Module):
    """Every kind of parameter once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norms = nn.ModuleList([nn.BatchNorm2d(2), nn.GroupNorm(1, 2), nn.LayerNorm((2, 4, 4))])
        self.head = nn.Linear(4, 3)
        self.tied = self.head
        self.scale = nn.Parameter(torch.ones(4))
        self.fixed = nn.Parameter(torch.ones(2, 2), requires_grad=False)


@pytest.mark.parametrize(
    "optimizer", [SGD(weight_decay=0.1), Adam(weight_decay=0.1), AdamW(weight_decay=0.1)]
)
def test_weight_decay_spares_norms_biases_and_vectors(optimizer):
    net = Custom()
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    decays = {
        names[id(parameter)]: group["weight_decay"]
        for group in optimizer.build(net).param_groups
        for parameter in group["params"]
    }
    assert {name for name, decay in decays.items() if decay} == {"conv.weight", "head.weight"}
    assert set(decays) == {name for name, p in net.named_parameters() if p.requires_grad}
    assert decays["norms.2.weight"] == 0  # a matrix, but a norm's


def test_tied_parameters_occur_once():
    groups = weight_decay_groups(Custom(), 0.1)
    every = [id(parameter) for group in groups for parameter in group["params"]]
    assert len(every) == len(set(every))


def test_one_step_of_sgd_is_the_textbooks():
    net = nn.Linear(2, 1)
    before = net.weight.detach().clone()
    optimizer = SGD(lr=0.5, momentum=0.0, weight_decay=0.1).build(net)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert torch.allclose(net.weight, before - 0.5 * (1 + 0.1 * before))


def test_adamw_decays_apart_from_the_step_and_adam_within_it():
    decayed = {}
    for optimizer in (Adam(lr=0.1, weight_decay=0.5), AdamW(lr=0.1, weight_decay=0.5)):
        net = nn.Linear(2, 1)
        nn.init.constant_(net.weight, 2.0)
        made = optimizer.build(net)
        net(torch.ones(1, 2)).sum().backward()
        made.step()
        decayed[type(optimizer)] = net.weight.detach()
    step = torch.full((1, 2), 2.0 - 0.1)  # the first step of Adam is lr x the sign, decay or not
    assert torch.allclose(decayed[Adam], step)
    assert torch.allclose(decayed[AdamW], step - 0.1 * 0.5 * 2.0)
    with pytest.raises(ConfigError, match=r"write AdamW\(lr=0.2\)"):
        TrainPlan(optimizer=torch.optim.AdamW(net.parameters(), lr=0.2))
    assert AdamW().weight_decay == torch.optim.AdamW(net.parameters()).defaults["weight_decay"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(lr=0.0),
        lambda: Adam(lr=-1.0),
        lambda: AdamW(lr=0.0),
        lambda: SGD(weight_decay=-1e-4),
        lambda: SGD(momentum=0.0, nesterov=True),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(ConfigError):
        make()


def test_a_network_without_parameters_is_refused():
    with pytest.raises(ConfigError, match="no trainable parameters"):
        SGD().build(nn.Flatten())
