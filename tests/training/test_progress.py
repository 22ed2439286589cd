"""The lines of a training run, and the time that is left as it is learned."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import torch

from holdfast.claims.digest import model_digest
from holdfast.models import MLP
from holdfast.training import Adam, FastAT, TrainPlan, train
from holdfast.training.progress import Progress
from terminal import Clock, Terminal

PLAN = TrainPlan(epochs=3, batch_size=16, optimizer=Adam(lr=0.02))
RECORD = {"epoch": 1, "train_loss": 1.0, "clean": 0.5, "robust": 0.25, "best": True, "lr": 0.1,
          "seconds": 12.0}  # fmt: skip


@pytest.fixture
def run(splits, threat, tmp_path):
    def start(**changes):
        options = {"threat": threat, "method": FastAT(), "plan": PLAN, "out": tmp_path / "run"}
        return train(MLP(hidden=(16,)), splits, **{**options, **changes})

    return start


def test_a_log_has_a_line_an_epoch(run, capsys):
    result = run()
    said = capsys.readouterr()
    opening, *lines = said.err.splitlines()
    assert opening == (
        "training mlp on 64 examples, Linf eps=0.1, inputs in 0..1: 3 epochs of 4 steps"
    )
    lines = [line for line in lines if not line.startswith("CHANCE")]
    for line, record in zip(lines, result.history, strict=True):
        assert line.startswith(f"epoch {record['epoch']} of 3: loss {record['train_loss']:.3f}, ")
        assert f"clean {record['clean']:.1%}, robust {record['robust']:.1%}" in line
        assert f"learning rate {record['lr']:.2g}, 1 s" in line
    assert [bool(re.search(r"about \d+ s to go$", line)) for line in lines] == [True, True, False]
    assert said.out == ""


def test_a_display_changes_nothing(run, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("holdfast.progress.REFRESH", 0.0)
    quiet = run(quiet=True)
    assert capfd.readouterr() == ("", "")
    with Terminal(monkeypatch) as terminal:
        loud = run(out=tmp_path / "loud")
    assert model_digest(loud.model) == model_digest(quiet.model)
    text = terminal.getvalue()
    assert "validation" in text
    assert re.search(r"epoch 2 of 3 .*loss \d\.\d+, [\d,]+ examples/s, about \d+ s to go", text)


def test_the_time_that_is_left_is_learned():
    """Two epochs of ten steps; a step takes 2 s, the first one 30 s, a validation 10 s."""
    clock = Clock()
    progress = Progress(2, 10, clock=clock)
    state = SimpleNamespace(step=0, epoch=0, finished=None, seconds=1.0, totals=torch.ones(8))
    with progress:
        assert progress.left() is None
        for seconds in (30, *(9 * [2])):
            clock.now += seconds
            state.step += 1
            progress.tick(state)
        assert progress.left() == 10 * 2
        progress.validates()
        clock.now += 10
        state.epoch = 1
        progress.epoch(state, RECORD)
        assert progress.left() == 10 * 2 + 10
        clock.now += 3
        state.step += 1
        progress.tick(state)
        assert progress.left() == pytest.approx(9 * 2.1 + 10)


def test_a_long_epoch_is_not_silent(capsys):
    clock = Clock()
    state = SimpleNamespace(step=0, epoch=0, finished=None, seconds=1.0, totals=torch.ones(8))
    with Progress(2, 10, clock=clock) as progress:
        for _ in range(4):
            clock.now += 45
            state.step, state.seconds = state.step + 1, state.seconds + 45
            progress.tick(state)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "epoch 1 of 2: 10% of all done, loss 1.000, 0 examples/s, "
        "about 14 min to go and the validations"
    )
