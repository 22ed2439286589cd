"""Kills, interrupts, damage and several processes: the claim is always the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from evaluation_setup import TINY, essence, examples, network, segments
from holdfast.claims import Claim
from holdfast.errors import InputError, StorageError
from holdfast.evaluation import evaluate
from holdfast.evaluation.run import stage
from holdfast.evaluation.run import time_estimate as forecast

PROGRAM = Path(__file__).parent / "program.py"


def work(*arguments: object, launch: tuple[str, ...] = ()) -> str:
    command = [sys.executable, *launch, str(PROGRAM), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Folders of the same evaluation: whole, killed again and again, and by two processes."""
    folder = tmp_path_factory.mktemp("ended")
    said = work("all", folder, 0, 3)
    assert said.split()[0] in {"2", "3"}, "the kills came after the end"
    return folder


@pytest.mark.parametrize("name", ["killed", "two"])
def test_killed_runs_and_two_processes_end_bit_for_bit_alike(ended, name):
    assert essence(ended / name) == essence(ended / "whole")
    assert segments(ended / name) == segments(ended / "whole")


@pytest.mark.slow
def test_two_processes_of_torchrun_make_the_ledger_of_one(ended, tmp_path):
    two = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    work("run", tmp_path / "two", launch=two)
    assert segments(tmp_path / "two") == segments(ended / "whole")
    assert essence(tmp_path / "two") == essence(ended / "whole")


class Pressing(nn.Module):
    """Gets a signal in its n-th pass."""

    def __init__(self, net, left, number=signal.SIGINT):
        super().__init__()
        self.net = net
        self.left, self.number = [left], number

    def __deepcopy__(self, memo):
        return self

    def forward(self, x):
        self.left[0] -= 1
        if self.left[0] == 0:
            signal.raise_signal(self.number)
        return self.net(x)


@pytest.fixture(scope="module")
def uninterrupted(net, data, threat, tmp_path_factory):
    """The folder of an evaluation of a network to be interrupted that was not."""
    out = tmp_path_factory.mktemp("uninterrupted") / "claim"
    options = {"threat": threat, "suite": TINY, "out": out, "batch_size": 16, "quiet": True}
    evaluate(Pressing(net, -1), data, **options)
    return out


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_keeps_the_ledger_and_says_how_to_go_on(
    name, run, net, uninterrupted, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(forecast, "ENOUGH", 0.0)  # a fast machine would time more than 60 passes
    interrupted = tmp_path / "interrupted"
    number = signal.Signals[name]
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(Pressing(net, 60, number), out=interrupted, quiet=False)
    assert caught.value.signal == number
    assert signal.getsignal(number) is before
    assert "run the same command again" in capsys.readouterr().err
    assert not (interrupted / "claim.json").exists()
    kept = segments(interrupted)
    assert kept
    run(Pressing(net, -1), out=interrupted)
    assert essence(interrupted) == essence(uninterrupted)
    assert kept.items() <= segments(interrupted).items()


def test_a_second_call_runs_no_attack_again(run, claim, monkeypatch):
    first = run()
    monkeypatch.setattr(stage, "attack_batch", None)
    assert essence(run().folder) == essence(first.folder) == essence(claim.folder)


def test_other_weights_another_forward_or_seed_share_nothing(run, net, tmp_path):
    """Two networks with the same modules and weights may compute different things."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.sign = network(), 1.0

        def forward(self, x):
            return self.sign * self.net(x)

    other = Net()
    other.sign = -1.0
    out = tmp_path / "claim"
    ledgers = []
    for options in ({"model": Net()}, {"model": other}, {"model": Net(), "seed": 1}):
        run(out=out, **options)
        ledgers.append(set(segments(out)))
        (out / "claim.json").unlink()
    assert ledgers[0] < ledgers[1] < ledgers[2]


def test_a_damaged_segment_is_named(run, claim, tmp_path):
    out = tmp_path / "claim"
    run(out=out)
    path = max((out / "ledger").glob("*.json"), key=lambda p: p.stat().st_size)
    path.write_bytes(path.read_bytes()[:-20])
    (out / "claim.json").unlink()  # a finished claim asks the ledger nothing
    with pytest.raises(StorageError, match="delete"):
        run(out=out)
    path.unlink()
    assert essence(run(out=out).folder) == essence(claim.folder)


def test_a_folder_with_another_claim_is_left_alone(run, claim, tmp_path):
    out = tmp_path / "claim"
    before = run(out=out).document["digest"]
    for options in ({"seed": 1}, {"n": 20}, {"suite": "quick"}, {"examples": examples(seed=1)}):
        with pytest.raises(InputError, match="another"):
            run(out=out, **options)
    assert Claim.load(out).document["digest"] == before


def test_thread_count_is_part_of_the_key(run, tmp_path):
    out = tmp_path / "claim"
    run(out=out, suite=TINY)
    (out / "claim.json").unlink()
    one = set(segments(out))
    torch.set_num_threads(2)
    try:
        run(out=out, suite=TINY)
    finally:
        torch.set_num_threads(1)
    assert len(set(segments(out)) - one) >= len([n for n in one if n.endswith(".json")])
