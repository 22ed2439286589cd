"""Networks of float64 train, and a default type of float64 changes nothing of ours."""

from __future__ import annotations

import pytest
import torch

from conformance_setup import default_type
from holdfast.models import MLP, build_network
from holdfast.training import Adam, FastAT, TrainPlan, load_run, train
from training_setup import small_net


@pytest.mark.parametrize("average", [None, 0.9])
def test_a_network_of_float64_trains_in_float64(splits, threat, tmp_path, average):
    plan = TrainPlan(epochs=1, batch_size=16, optimizer=Adam(lr=0.02), ema=average)
    how = {"threat": threat, "method": FastAT(), "plan": plan, "out": tmp_path, "quiet": True}
    net = small_net().double()
    result = train(net, splits, normalize=(0.3, 0.5), **how)
    weights = list(result.model.parameters())
    assert {p.dtype for p in weights} == {torch.float64}
    assert any((p != p.float().double()).any() for p in weights)  # it was not rounded on the way
    kept = load_run(tmp_path, network=small_net().double())
    assert all(torch.equal(p, q) for p, q in zip(kept.parameters(), weights, strict=True))
    x = splits.test.batch(torch.arange(4)).x
    assert kept(x).dtype == torch.float64


def test_the_default_type_is_not_that_of_our_networks(splits, threat, tmp_path):
    plan = TrainPlan(epochs=1, batch_size=16)
    runs = []
    for kind in (torch.float32, torch.float64):
        with default_type(kind):
            out = tmp_path / str(kind)
            how = {"threat": threat, "method": FastAT(), "plan": plan, "quiet": True}
            train(MLP(hidden=(8,)), splits, out=out, **how)
            runs.append(load_run(out))
            fresh = build_network("mlp", (6,), 3)
            assert {p.dtype for p in fresh.parameters()} == {torch.float32}
    assert all(torch.equal(p, q) for p, q in zip(*(run.parameters() for run in runs), strict=True))
