"""A run that was killed, interrupted or moved on equals the one that was not, bit for bit."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.data import Stream
from holdfast.errors import StorageError
from holdfast.training import Adam, FastAT, Standard, TrainPlan, train

WORKER = Path(__file__).parent / "worker.py"
TIMES = ("seconds", "examples_per_second")


def fingerprint(out: Path) -> dict[str, object]:
    """Everything of a run but times: weights and states by hash, metrics by value."""
    found: dict[str, object] = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*.safetensors"))
    }
    for line in (out / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert record["epoch"] not in found, "an epoch twice"
        found[record["epoch"]] = {k: v for k, v in record.items() if k not in TIMES}
    return found


def work(*arguments: object) -> None:
    command = [sys.executable, str(WORKER), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "points",
    [
        pytest.param((1, 6, 11, 26, 4), id="few"),
        pytest.param(
            (1, 2, 5, 6, 7, 8, 11, 16, 23, 26, 31, 38, 20, 4), id="all", marks=pytest.mark.slow
        ),
    ],
)
def test_killed_runs_resume_bit_for_bit(tmp_path, points):
    """Kills fall at the first write, inside and between checkpoints, exports and metrics."""
    work("kills", tmp_path, *points)
    assert fingerprint(tmp_path / "killed") == fingerprint(tmp_path / "whole")
    leftovers = list((tmp_path / "killed").rglob(".tmp*"))
    assert [path for path in leftovers if "checkpoints" in str(path)] == []


@pytest.fixture
def start(splits, threat):
    def run(out, **changes):
        options = {
            "train_data": splits,
            "threat": threat,
            "method": FastAT(),
            "plan": TrainPlan(epochs=4, batch_size=16, optimizer=Adam(lr=0.02)),
            "quiet": True,
            **changes,
        }
        return train("mlp", out=out, **options)

    return run


class Interrupting:
    """Raises a signal in its n-th call."""

    def __init__(self, n, number=signal.SIGINT):
        self.left, self.number = n, number

    def __call__(self, *arguments):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(self.number)


def test_a_signal_saves_and_prints_how_to_go_on(start, tmp_path, monkeypatch, capsys):
    start(tmp_path / "whole")
    real = FastAT.loss
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        press = Interrupting(7, signal.Signals[name])

        def loss(self, *arguments, press=press):
            press()
            return real(self, *arguments)

        handler = signal.getsignal(press.number)
        monkeypatch.setattr(FastAT, "loss", loss)
        cut = tmp_path / name
        with pytest.raises(KeyboardInterrupt) as caught:
            start(cut, quiet=False, command="holdfast train --resume")
        assert caught.value.signal == press.number
        assert signal.getsignal(press.number) is handler
        assert "holdfast train --resume" in capsys.readouterr().err
        newest = json.loads((cut / "checkpoints/newest.json").read_text())["checkpoint"]
        assert newest == "epoch-00001-batch-0000004"  # the request is heard before the next step
        start(cut, resume=True)
        assert fingerprint(cut) == fingerprint(tmp_path / "whole")


def test_a_signal_in_validation_keeps_the_epoch_before_it(start, tmp_path):
    """Schedulers kill half a minute after the signal; a validation may take longer."""
    press = Interrupting(1, signal.SIGTERM)
    plan = TrainPlan(epochs=1, batch_size=16)

    def validate(model):
        press()
        return {"clean": 0.5, "robust": 0.5}

    start(tmp_path / "whole", plan=plan, validate=lambda model: {"clean": 0.5, "robust": 0.5})
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "cut", plan=plan, validate=validate)
    newest = json.loads((tmp_path / "cut/checkpoints/newest.json").read_text())["checkpoint"]
    assert newest == "epoch-00000-batch-0000004"
    start(tmp_path / "cut", plan=plan, resume=True, validate=validate)
    whole, cut = (fingerprint(tmp_path / name) for name in ("whole", "cut"))
    ends = (
        "last/epoch-00001.safetensors",
        "checkpoints/epoch-00001-batch-0000000/tensors.safetensors",
        1,
    )
    assert [cut[key] for key in ends] == [whole[key] for key in ends]


def test_a_crash_in_validation_costs_at_most_the_epoch(start, tmp_path):
    start(tmp_path / "whole")

    calls = []

    def fail(model):
        calls.append(1)
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        start(tmp_path / "cut", validate=fail)
    start(tmp_path / "cut", resume=True)
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


def test_a_stream_resumes_per_epoch(start, splits, tmp_path):
    batches = [(splits.train.batch(splits.train.ids[:16]).x, splits.train.y[:16])] * 3
    data = (Stream(batches), splits.validation)
    plan = TrainPlan(epochs=3, batch_size=16, checkpoint_minutes=0)
    start(tmp_path / "whole", train_data=data, plan=plan)
    epochs = []

    def validate(model):
        epochs.append(1)
        if len(epochs) == 2:
            raise RuntimeError("out of luck")
        return {"clean": 0.5, "robust": 0.5}

    with pytest.raises(RuntimeError, match="out of luck"):
        start(tmp_path / "cut", train_data=data, plan=plan, validate=validate)
    names = sorted(path.name for path in (tmp_path / "cut/checkpoints").glob("epoch-*"))
    assert names == ["epoch-00000-batch-0000000", "epoch-00001-batch-0000000"]
    start(tmp_path / "cut", train_data=data, plan=plan, resume=True)
    last = "last/epoch-00003.safetensors"
    assert fingerprint(tmp_path / "cut")[last] == fingerprint(tmp_path / "whole")[last]


def test_a_damaged_checkpoint_is_named_and_the_one_before_serves(start, tmp_path):
    plan = TrainPlan(epochs=2, batch_size=16, checkpoint_minutes=0)
    start(tmp_path, plan=plan, method=Standard())
    before = fingerprint(tmp_path)
    newest = json.loads((tmp_path / "checkpoints/newest.json").read_text())["checkpoint"]
    damaged = tmp_path / "checkpoints" / newest / "tensors.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(StorageError, match="truncated or altered") as caught:
        start(tmp_path, plan=plan, method=Standard(), resume=True)
    assert str(damaged.parent) in str(caught.value)
    for path in damaged.parent.iterdir():
        path.unlink()
    damaged.parent.rmdir()
    start(tmp_path, plan=plan, method=Standard(), resume=True)
    assert fingerprint(tmp_path) == before
