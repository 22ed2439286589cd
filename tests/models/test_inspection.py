from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from holdfast.errors import InputError
from holdfast.models import inspect, wrap

X = torch.rand(16, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 3
GLOBAL = np.random.mtrand._rand  # what np.random.rand draws from


class Through(nn.Module):
    """A linear network followed by a function of its logits."""

    def __init__(self, function=lambda z: z, before=lambda x: x, classes=3):
        super().__init__()
        torch.manual_seed(1)
        self.linear = nn.Linear(4, classes)
        self.function, self.before = function, before

    def forward(self, x):
        return self.function(self.linear(self.before(x)))


def unhappy(net, x=X, y=Y):
    """Return {id: status} of the checks that are not content, the net being in eval mode."""
    return {f.id: f.status for f in inspect(wrap(net.eval()), x, y) if f.status != "pass"}


def test_a_plain_network_passes_every_check():
    findings = inspect(wrap(Through().eval()), X, Y)
    assert [f.status for f in findings] == ["pass"] * 7
    assert len({f.id for f in findings}) == 7


@pytest.mark.parametrize(
    ("net", "problem"),
    [
        (Through(lambda z: z.softmax(1)), {"logits": "fail"}),
        (Through(lambda z: z.log_softmax(1)), {"logits": "warn"}),
        (Through(lambda z: z + torch.rand_like(z)), {"repeatable": "fail"}),
        (Through(before=lambda x: F.dropout(x, 0.2)), {"repeatable": "fail"}),
        (Through(before=lambda x: (x > 0.5).float()), {"zero-gradient": "fail"}),
        (Through(before=torch.Tensor.detach), {"zero-gradient": "fail"}),
        (Through(lambda z: z * 1e4), {"zero-gradient": "warn"}),
        (Through(before=lambda x: x + (x * 0).norm(dim=1, keepdim=True).sqrt()),
         {"nan-gradient": "fail"}),
        (Through(lambda z: z - z.mean(0)), {"batch-independent": "fail"}),
        (Through(lambda z: z / 0), {"finite-outputs": "fail"}),
        (nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3)),
         {"batch-independent": "fail"}),
    ],
    ids=[
        "softmax", "log_softmax", "noise", "dropout", "threshold", "detached", "saturated",
        "root of zero", "batch mean", "infinite", "no running statistics",
    ],
)  # fmt: skip
def test_each_bad_habit_is_noticed_and_nothing_else(net, problem):
    assert unhappy(net) == problem


def test_a_sigmoid_output_is_noticed():
    net = Through(torch.sigmoid, classes=1)
    assert unhappy(net, y=Y % 2) == {"logits": "fail"}
    assert unhappy(Through(classes=1), y=Y % 2) == {}


def test_train_mode_is_noticed_only_where_it_matters():
    def verdict(net):
        return {f.id: f.status for f in inspect(wrap(net.train()), X, Y)}["eval-mode"]

    assert verdict(Through()) == "pass"
    assert verdict(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))) == "warn"
    assert verdict(nn.Sequential(nn.Dropout(), nn.Linear(4, 3))) == "warn"


def test_every_unhappy_finding_has_a_remedy():
    for function in (lambda z: z.softmax(1), lambda z: z.detach(), lambda z: z / 0):
        for finding in inspect(wrap(Through(function)), X, Y):
            assert bool(finding.remedy) == (finding.status != "pass")


def test_inspection_leaves_no_trace():
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))
    net[2].weight.requires_grad_(False)
    noisy = Through(lambda z: z + random.random() + GLOBAL.rand() + torch.rand(()))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    states = torch.random.get_rng_state(), random.getstate(), GLOBAL.get_state()[1].copy()
    inspect(wrap(net), X, Y)
    inspect(wrap(noisy), X, Y)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (GLOBAL.get_state()[1] == states[2]).all()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert not net[2].weight.requires_grad
    assert net[0].weight.grad is None


def test_one_example_is_enough():
    net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
    verdicts = {f.id: f.status for f in inspect(wrap(net), X[:1], Y[:1])}
    assert verdicts.pop("eval-mode") == "warn"
    assert set(verdicts.values()) == {"pass"}


def test_bad_examples_are_refused_before_the_model_runs():
    with pytest.raises(InputError, match="divide by 255"):
        inspect(wrap(Through()), X * 255, Y)
    with pytest.raises(InputError, match=r"0\.\.2, got 3"):
        inspect(wrap(Through()), X, Y + 1)
