"""The time that is announced, and what is shown."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from holdfast.attacks import APGD, Square
from holdfast.data import from_tensors
from holdfast.evaluation import Member, Suite
from holdfast.evaluation.run import stage
from holdfast.evaluation.run import time_estimate as forecast_module
from holdfast.models import build_network
from holdfast.progress import duration
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel

SUITE = Suite(
    name="long",
    members=(
        Member(name="apgd", attack=APGD(steps=40)),
        Member(name="square", attack=Square(queries=150)),
    ),
)
SQUARE = Suite(name="square", members=SUITE.members[1:])


def test_forecast_is_within_a_factor_of_one_and_a_half(run, capsys, monkeypatch):
    """In processor seconds, which do not depend on who else is at work."""
    for module in (forecast_module, stage):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=time.process_time))
    x = torch.rand(100, 1, 14, 14, generator=torch.Generator().manual_seed(0))
    net = build_network("small_cnn", (1, 14, 14), 10)
    with torch.no_grad():
        data = from_tensors(x, net.eval()(x).argmax(1), num_classes=10)
    threat = ThreatModel(Linf(eps=1e-4))
    claim = run(net, data, threat=threat, suite=SUITE, batch_size=50, quiet=False)
    assert claim.document["counts"]["unbroken"] == 100
    spoken = capsys.readouterr().err
    assert "long on 100 points, Linf eps=0.0001, inputs in 0..1: about" in spoken
    assert 2 / 3 < claim.document["forecast_seconds"] / claim.cost.seconds < 3 / 2


def test_forecast_knows_of_passes_radii_and_budgets(run, tmp_path, monkeypatch):
    """At a second a pass, six batches of 16: 90 examples."""
    monkeypatch.setattr(forecast_module, "_timed", lambda *arguments: (1.0, 0.0))
    cases = (
        ({"suite": SUITE}, 6 * (41 + 40 + 150)),
        ({"suite": SUITE, "n": 33}, 3 * (41 + 40 + 150)),
        ({"suite": SUITE, "eps": [0.01, 0.02]}, 3 * 6 * (41 + 40 + 150)),
        ({"suite": SQUARE, "threat": ThreatModel(Linf(eps=0.01), queries=5)}, 6 * 10),
    )
    for k, (options, seconds) in enumerate(cases):
        claim = run(out=tmp_path / str(k), **options)
        assert claim.document["forecast_seconds"] == seconds


def test_a_network_that_raises_under_attack_has_no_forecast(run, net, data, capsys, tmp_path):
    known = data.batch(torch.arange(len(data))).x

    class Raises(nn.Module):
        def forward(self, x):
            if not (x[:, None] == known).flatten(2).all(2).any(1).all():
                raise RuntimeError("boom")
            return net(x)

    claim = run(Raises(), quiet=False)
    assert claim.document["forecast_seconds"] is None
    assert "no forecast" in capsys.readouterr().err
    assert claim.document["counts"]["failed"] == claim.clean_accuracy.k


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "1 s"), (40, "40 s"), (89, "89 s"), (95, "2 min"), (3000, "50 min"), (9000, "2.5 h")],
)
def test_times_are_said_as_people_do(seconds, text):
    assert duration(seconds) == text
