"""The subject of a command: the network that a user's own function builds."""

from __future__ import annotations

import torch

from holdfast import config
from holdfast.cli import subject

CODE = """
import torch
def build():
    return torch.nn.Linear(64, 10)
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
"""


def weights(settings):
    return next(subject.network_of(settings).parameters()).detach().clone()


def test_the_weights_of_ones_own_network_are_drawn_by_the_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seeded_net.py").write_text(CODE)
    own = [
        config.build("train", {"model": "seeded_net:build", "seed": seed}, []) for seed in (0, 1)
    ]
    before = torch.get_rng_state()
    first = weights(own[0])
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)  # wherever the global generator is
    assert torch.equal(first, weights(own[0]))
    assert not torch.equal(first, weights(own[1]))
