from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from holdfast.errors import InputError
from holdfast.models import check_logits, inspect, wrap

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


def steep(z):
    return 60 * z


SQUASHED = {
    "sigmoid": lambda z: z.sigmoid(),
    "saturated sigmoid": lambda z: steep(z).sigmoid(),
    "sigmoid by hand": lambda z: 1 / (1 + (-z).exp()),
    "saturated by hand": lambda z: 1 - 1 / (1 + steep(z).exp()),
    "by way of tanh": lambda z: (1 + z.tanh()) / 2,
    "hard sigmoid": F.hardsigmoid,
    "clamp": lambda z: z.clamp(0, 1),
    "sigmoids put together": lambda z: torch.stack([z[:, k].sigmoid() for k in range(3)], 1),
    "half precision": lambda z: z.softmax(1).half(),
    "per cent": lambda z: 100 * z.softmax(1),
    "masked": lambda z: F.pad(z.sigmoid(), (0, 2), value=-1e9),
    "masked softmax": lambda z: F.pad(z.softmax(1), (0, 2), value=-1e9),
    "softmax": lambda z: z.softmax(1),
}
WRAPPED = "hf.wrap(network, outputs='probabilities')"


@pytest.mark.parametrize("name", SQUASHED)
def test_probabilities_are_refused_whatever_they_add_up_to(name):
    net = Through(SQUASHED[name]).eval()
    assert unhappy(net)["logits"] == "fail"
    with pytest.raises(InputError, match="returns probabilities") as refused:
        check_logits(wrap(net), X, Y)
    told = f"pass {WRAPPED}" in str(refused.value)
    assert told == (name in ("softmax", "half precision"))
    assert (f"return {WRAPPED} from the function" in refused.value.on_console()) == told
    if told:  # it works
        model = wrap(net, outputs="probabilities")
        assert check_logits(model, X, Y) == 3
        assert unhappy(model).get("logits") is None
        assert model.title == "Through"


def test_a_single_sigmoid_is_noticed_where_one_label_occurs():
    net = Through(torch.sigmoid, classes=1)
    for y in (torch.zeros(16).long(), torch.ones(16).long()):
        assert unhappy(net, y=y) == {"logits": "fail"}
        with pytest.raises(InputError, match=re.escape(WRAPPED)):
            check_logits(wrap(net), X, y)
        assert check_logits(wrap(net, outputs="probabilities"), X, y) == 2


HONEST = {
    "in 0..1 by chance": lambda z: 0.5 + 0.1 * z,
    "rectified": lambda z: z.relu(),
    "rectified and small": lambda z: 0.1 * z.relu(),
    "negative": lambda z: -z.abs() - 1,
    "capped far away": lambda z: 30 * (z / 30).tanh(),
    "masked": lambda z: F.pad(z, (0, 2), value=-1e9),
    "one fixed": lambda z: F.pad(steep(z), (0, 1)),
    "zero head": lambda z: 0 * z,
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_logits_pass_wherever_they_lie(name):
    net = Through(HONEST[name]).eval()
    y = net(X).argmax(1)
    assert "logits" not in unhappy(net, y=y)
    if name != "zero head":
        assert "zero-gradient" not in unhappy(net, y=y)
    check_logits(wrap(net), X, y)


def test_bounded_outputs_of_another_kind_are_let_pass_with_a_warning():
    net = Through(lambda z: 0.5 + 0.4 * z.sin())
    assert unhappy(net) == {"logits": "warn"}
    check_logits(wrap(net), X, Y)


@pytest.mark.parametrize(
    "bounded", [lambda z: 10 * z.sigmoid(), lambda z: 5 * z.tanh(), lambda z: z.clamp(-1, 4)]
)
def test_a_logit_that_is_bounded_and_saturated_is_noticed(bounded):
    middle = Through()(X)[:, :1].median().detach()
    net = Through(lambda z: bounded(torch.cat([900 * (z[:, :1] - middle), z[:, 1:]], 1))).eval()
    y = net(X).argmax(1)
    assert 3 < (y == 0).sum() < 16
    assert unhappy(net, y=y)["zero-gradient"] == "fail"
    assert unhappy(Through().eval()) == {}


def test_a_target_that_returns_sigmoids_is_told_from_one_that_returns_logits():
    weight = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    asked = []

    def answer(x):
        asked.append((x.min(), x.max()))
        return 1 / (1 + np.exp(-40 * (x - 0.5) @ weight))

    with pytest.raises(InputError, match="returns probabilities"):
        check_logits(wrap(answer, outputs="logits"), X, Y)
    assert min(low for low, _ in asked) >= 0  # it is asked about its range alone
    assert max(high for _, high in asked) <= 1
    check_logits(wrap(lambda x: 0.5 + 0.1 * x @ weight, outputs="logits"), X, Y)


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


def test_images_with_channels_last_are_told_how_to_turn():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.LazyLinear(3))
    network(torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError, match=r"pass x\.permute\(0, 3, 1, 2\)$"):
        check_logits(wrap(network), torch.rand(4, 8, 8, 3), torch.zeros(4, dtype=torch.long))
    with pytest.raises(InputError) as caught:
        check_logits(wrap(network), torch.rand(4, 3, 9, 9), torch.zeros(4, dtype=torch.long))
    assert "permute" not in str(caught.value)
