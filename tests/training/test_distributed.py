"""Two processes train the network that one trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from holdfast.distributed import Group
from holdfast.errors import ConfigError
from holdfast.training import SGD, TrainPlan

sys.path.insert(0, str(Path(__file__).parent))
import worker

WORKER = Path(__file__).parent / "worker.py"


@pytest.fixture(params=["forked", pytest.param("torchrun", marks=pytest.mark.slow)])
def trained(request, tmp_path):
    """A folder with `one`, trained by one process, and `two`, by two."""
    launch, verb, out = (), "pair", tmp_path
    if request.param == "torchrun":
        launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
        verb, out = "part", tmp_path / "two"
        worker.part(tmp_path / "one")
    done = subprocess.run(
        [sys.executable, *launch, str(WORKER), verb, str(out)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_two_processes_follow_one(trained):
    records = [
        [json.loads(line) for line in (trained / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert len(records[0]) == len(records[1]) == 3
    for one, two in zip(*records, strict=True):
        assert two["train_loss"] == pytest.approx(one["train_loss"], abs=1e-4)
        assert (two["clean"], two["robust"]) == (one["clean"], one["robust"])
    weights = [
        load_file(next((trained / name / "last").glob("*.safetensors"))) for name in ("one", "two")
    ]
    for name, tensor in weights[0].items():
        assert torch.allclose(weights[1][name], tensor, atol=1e-4)
    assert json.loads((trained / "two/run.json").read_text())["environment"]["processes"] == 2


def test_every_process_takes_its_part():
    batch = torch.arange(10)
    parts = [Group(rank, 2).share(batch) for rank in range(2)]
    assert [len(part) for part in parts] == [5, 5]
    assert sorted(torch.cat(parts).tolist()) == batch.tolist()
    assert torch.equal(Group().share(batch), batch)


def test_an_uneven_batch_is_refused():
    with pytest.raises(ConfigError, match="multiple of the 3 processes, got 16"):
        Group(0, 3).check(TrainPlan(batch_size=16, optimizer=SGD()).batch_size)
