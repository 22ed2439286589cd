"""A small evaluation: a network, examples of which some break, and a suite that takes a second."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from evaluation_setup import TINY, examples, network
from holdfast.claims import Claim
from holdfast.data import Examples
from holdfast.evaluation import evaluate
from holdfast.spaces import Linf
from holdfast.threat import ThreatModel


@pytest.fixture(scope="session")
def net() -> nn.Module:
    return network()


@pytest.fixture(scope="session")
def data() -> Examples:
    return examples()


@pytest.fixture(scope="session")
def threat() -> ThreatModel:
    return ThreatModel(Linf(eps=0.12))


@pytest.fixture(scope="session")
def claim(net, data, threat, tmp_path_factory) -> Claim:
    """The claim of an ordinary evaluation; tests copy the folder before they change it."""
    out = tmp_path_factory.mktemp("claims") / "ordinary"
    return evaluate(net, data, threat=threat, suite=TINY, out=out, batch_size=16, quiet=True)


@pytest.fixture
def run(net, data, threat, tmp_path, monkeypatch):
    """Evaluate with some arguments changed, perhaps as if training run `behind` made the model."""

    def start(model: nn.Module = net, examples: Examples = data, behind=None, **changes):
        module = sys.modules["holdfast.evaluation.evaluate"]
        monkeypatch.setattr(module, "provenance_of", lambda model: behind)
        options = {"threat": threat, "suite": TINY, "out": tmp_path / "claim", "batch_size": 16}
        return evaluate(model, examples, **{"quiet": True, **options, **changes})

    return start


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
