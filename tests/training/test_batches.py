from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.data import Stream, from_tensors
from holdfast.distributed import Group
from holdfast.errors import InputError
from holdfast.training.batches import feed

X = torch.rand(25, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(25) % 2


def cut(*sizes):
    return [(x, y) for x, y in zip(X.split(sizes), Y.split(sizes), strict=True)]


@pytest.mark.parametrize(
    ("sizes", "fed"),
    [
        ((8, 8, 8, 1), [8, 8, 9]),
        ((12, 1, 12), [13, 12]),  # as several workers end
        ((1, 12, 12), [13, 12]),
        ((12, 12, 1), [12, 13]),
        ((8, 8, 7, 2), [8, 8, 7, 2]),
        ((1,) * 25, [1] * 25),
    ],
)
def test_a_batch_of_one_example_joins_another(sizes, fed):
    batches = feed(Stream(cut(*sizes)), 8, 2, Group())
    found = list(batches.batches(0, 0, 0))
    assert [len(batch) for batch in found] == fed
    assert batches.steps == len(fed)
    assert torch.equal(torch.cat([batch.x for batch in found]), X)
    assert torch.cat([batch.ids for batch in found]).tolist() == list(range(25))


@pytest.mark.parametrize("data", [(8, 8, 8, 1), (8, 1, 8, 8)])
def test_a_network_with_batch_normalization_trains_on_such_a_stream(tmp_path, data):
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    run = hf.train(
        network,
        cut(*data),
        threat=hf.ThreatModel(hf.Linf(eps="8/255")),
        validation=from_tensors(X, Y),
        plan=hf.TrainPlan(epochs=1),
        out=tmp_path / "run",
    )
    assert len(run.history) == 1


class Relabeled:
    """Batches whose labels are other ones in every pass."""

    def __init__(self):
        self.passes = 0

    def __iter__(self):
        self.passes += 1
        return iter([(X, Y * self.passes)])


def test_labels_are_checked_in_every_pass():
    batches = feed(Stream(Relabeled()), 8, 2, Group())
    with pytest.raises(InputError, match="labels must be below 2, got 2"):
        list(batches.batches(0, 1, 0))
