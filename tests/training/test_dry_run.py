"""What a network does in train mode is tried before a run writes anything."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.errors import InputError

X = torch.rand(9, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(9) % 3
PLAN = hf.TrainPlan(epochs=1, batch_size=4)


class Net(nn.Module):
    """A network that does something of its own in train mode."""

    def __init__(self, training=lambda net, logits: logits):
        super().__init__()
        self.body, self.head = nn.BatchNorm1d(6), nn.Linear(6, 3)
        self.register_buffer("calls", torch.zeros(()))
        self.does = training

    def forward(self, x):
        if not self.training:
            return self.head(self.body(x))
        self.calls = self.calls + 1
        return self.does(self, self.head(self.body(x)))


def fit(net, data, out, **changes):
    given = {"validation": (X[:2], Y[:2]), "plan": PLAN, "quiet": True, **changes}
    return hf.train(net, data, threat=hf.ThreatModel(hf.Linf(eps=0.1)), out=out, **given)


@pytest.mark.parametrize(
    ("does", "data", "words"),
    [
        (None, (X[:1], Y[:1]), "a batch of 1 example .*: give more of them, or larger"),
        (None, [(x[None], y[None]) for x, y in zip(X, Y, strict=True)], "a batch of 1 example"),
        (lambda net, logits: logits.nope, (X, Y), "a batch of 4 examples .AttributeError"),
        (lambda net, logits: (logits, logits), (X, Y), "must return a tensor"),
        (lambda net, logits: logits.view(3, -1), [(X[:6], Y[:6])], "must return logits"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_nothing_is_written(does, data, words, tmp_path):
    net = Net(does) if does else Net()
    with pytest.raises(InputError, match=words) as caught:
        fit(net, data, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert int(net.calls) == 0
    assert int(net.body.num_batches_tracked) == 0


def test_the_smallest_batch_is_tried_and_leaves_no_trace(tmp_path):
    def in_threes(net, logits):
        return logits.view(-1, 3, 3).flatten(0, 1)  # of other sizes it cannot be trained

    net = Net(in_threes)
    fit(net, [(X[:6], Y[:6]), (X[6:], Y[6:])], tmp_path / "run")
    assert int(net.body.num_batches_tracked) == 2
    assert int(net.calls) == 2


def test_a_network_that_fails_in_train_mode_alone_is_judged_in_eval_mode(tmp_path):
    net = Net(lambda net, logits: logits.nope)
    member = hf.evaluation.Member(name="fgsm", attack=hf.attacks.FGSM())
    claim = hf.evaluate(
        net,
        (X, Y),
        threat=hf.ThreatModel(hf.Linf(eps=0.1)),
        suite=hf.Suite(name="own", members=(member,)),
        out=tmp_path,
        quiet=True,
    )
    assert {c["id"]: c["status"] for c in claim.checks}["eval-mode"] == "warn"
    assert net.training
