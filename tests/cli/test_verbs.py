"""Each verb does its job on a tiny run."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import holdfast as hf
from holdfast.errors import Interrupted
from tiny import own_network, some_digits, with_source

TINY = ("--set", "plan.epochs=1", "--set", "network.hidden=[16]", "--set", "method.attack.steps=1")


def test_train_evaluate_verify_report(holdfast, tmp_path):
    ran = holdfast("train", "digits_linf", "--model", "mlp", "--out", "runs/a", *TINY)
    assert ran.status == 0
    assert ran.out.startswith("best: epoch 1, clean ")
    assert "holdfast evaluate --model runs/a" in ran.out

    ran = holdfast(
        "evaluate", "--model", "runs/a", "--suite", "quick", "--n", "20", "--eps", "0.05,1/10",
        "--png", "images", "--out", "claims/a",
    )  # fmt: skip
    assert ran.status == 0
    assert "UPPER bound" in ran.out
    claim = hf.Claim.load(tmp_path / "claims" / "a")
    assert [point["eps"] for point in claim.curve] == ["0.05", "1/10", "0.2"]
    assert list((tmp_path / "images").glob("*.png"))

    ran = holdfast("verify", "claims/a")
    assert ran.status == 0
    assert ran.out.startswith("Verified: ")
    assert holdfast("verify", "claims/a", "--model", "runs/a/last", "--data", "digits").status == 0
    ran = holdfast("verify", "claims/a", "--model", "runs/a", "--data", "digits:train")
    assert ran.status == 1
    assert ran.err.startswith("NOT VERIFIED: ")
    assert ran.err.count("\n") == 1

    assert holdfast("report", "claims/a", "-o", "report.html").out == "wrote report.html\n"
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert "mlp" in holdfast("report", "claims/a").out
    assert "Robustness of ours" in holdfast("report", "claims/a", "--name", "ours").out
    assert holdfast("report", "claims/a", "--name", "a", "--name", "b").status == 2


def test_train_resumes_and_says_when_it_needs_to(holdfast):
    words = ("train", "digits_linf", "--model", "mlp", "--out", "runs/a", "--quiet", *TINY)
    assert holdfast(*words).status == 0
    ran = holdfast(*words)
    assert ran.status == 2
    assert "--resume" in ran.err
    assert holdfast(*words, "--resume").status == 0


def test_ctrl_c_prints_the_command_that_resumes(holdfast, tmp_path):
    words = ["train", "digits_linf", "--model", "mlp", "--out", "runs/a b"]
    words += ["--set", "plan.epochs=12"]
    command = [sys.executable, "-m", "holdfast.cli"]
    options = {"cwd": tmp_path, "env": with_source(), "text": True}
    started = subprocess.Popen(
        [*command, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, **options
    )
    deadline = time.monotonic() + 240
    metrics = tmp_path / "runs/a b/metrics.jsonl"
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=240)
    assert started.returncode == 130, err
    again = "holdfast train digits_linf --model mlp --out 'runs/a b' --resume --set plan.epochs=12"
    assert again in " ".join(err.split())
    ran = holdfast(*words, "--resume", "--quiet")
    assert ran.status == 0, ran.err
    assert "ended" not in ran.out


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_exit_status_names_the_signal(name, holdfast, monkeypatch):
    number = signal.Signals[name]

    def interrupted(*arguments, **options):
        raise Interrupted(number)

    monkeypatch.setattr("holdfast.api.train", interrupted)
    ran = holdfast("train", "digits_linf", "--model", "mlp", "--out", "a b", "--quiet")
    assert ran.status == 128 + number
    assert "holdfast train digits_linf --model mlp --out 'a b' --resume" in ran.err
    monkeypatch.setattr("holdfast.api.evaluate", interrupted)
    words = ("evaluate", "--model", "x:y", "--data", "digits", "--threat", "linf:0.1")
    monkeypatch.setattr("holdfast.cli.subject.model_of", lambda *names: hf.wrap(own_network()))
    ran = holdfast(*words, "--out", "c", "--quiet")
    assert ran.status == 128 + number
    assert f"continue with: holdfast {' '.join(words)} --out c" in ran.err


def test_what_only_fails_in_the_end_fails_before_the_work(holdfast, trained, claimed, monkeypatch):
    """A folder that cannot be written to, or that holds something of value."""

    def work(*arguments, **options):
        pytest.fail("the work began")

    monkeypatch.setattr("holdfast.cli.batches.attack_all", work)
    monkeypatch.setattr("holdfast.api.evaluate", work)
    Path("file").write_text("in the way")
    words = ("--model", trained, "--n", "4")
    for place in ("file", "file/sub"):
        ran = holdfast("attack", *words, "--out", place)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        ran = holdfast("evaluate", *words, "--out", "c", "--png", place)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
    for folder, what in ((trained, "a training run"), (claimed, "a claim")):
        ran = holdfast("attack", *words, "--out", folder)
        assert ran.status == 2
        assert f"holds {what}: choose another folder" in ran.err


def test_attack_prints_and_writes_what_it_found(holdfast, trained, tmp_path):
    ran = holdfast(
        "attack", "--model", trained, "--attack", "pgd", "--set", "attack.steps=3", "--n", "30",
        "--set", "batch_size=8", "--out", "found",
    )  # fmt: skip
    assert ran.status == 0
    assert "n=30 points" in ran.out
    assert "One attack is no evaluation" in ran.out
    found = load_file(tmp_path / "found" / "adversarial.safetensors")
    test = hf.load_data("digits").test.select(found["ids"])
    x = test.batch(torch.arange(30)).x
    assert float((found["x_adv"] - x).abs().max()) <= 0.1 + 1e-6
    lines = (tmp_path / "found" / "per_example.csv").read_text().splitlines()
    assert lines[0] == "id,label,clean,status,size,loss"
    assert len(lines) == 31


def test_the_same_attack_in_other_batches(holdfast, trained, tmp_path):
    for size in (7, 30):
        holdfast(
            "attack", "--model", trained, "--attack", "rfgsm", "--n", "30",
            "--seed", "0", "--set", f"batch_size={size}", "--out", f"found{size}",
        )  # fmt: skip
    a, b = (load_file(tmp_path / f"found{n}/adversarial.safetensors")["x_adv"] for n in (7, 30))
    torch.testing.assert_close(a, b)


class TestOwnNetwork:
    """A user's own network, weights and data."""

    CODE = (
        "import torch\n"
        "def build():\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 24),\n"
        "                               torch.nn.ReLU(), torch.nn.Linear(24, 10))\n"
    )

    def _prepare(self, folder, name):
        (folder / f"{name}.py").write_text(self.CODE)
        torch.save(own_network().state_dict(), folder / "weights.pt")
        x, y = some_digits(60)
        np.savez(folder / "mine.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])

    def test_evaluate_and_verify(self, holdfast, tmp_path):
        self._prepare(tmp_path, "net_one")
        words = ("--model", "net_one:build", "--weights", "weights.pt", "--data", "./mine.npz")
        ran = holdfast(
            "evaluate", *words, "--threat", "l2:0.5", "--suite", "quick", "--out", "claim"
        )
        assert ran.status == 0, ran.err
        assert "L2 eps=0.5" in ran.out
        assert holdfast("verify", "claim", *words).status == 0
        assert holdfast("verify", "claim").status == 2

    def test_train_and_evaluate_its_run(self, holdfast, tmp_path, monkeypatch):
        self._prepare(tmp_path, "net_two")
        own = ("--model", "net_two:build")
        ran = holdfast(
            "train", *own, "--data", "./mine.npz", "--threat", "linf:0.1", "--out", "run",
            "--set", "plan.epochs=1", "--set", "plan.batch_size=16", "--set", "method=standard",
        )  # fmt: skip
        assert ran.status == 0, ran.err
        monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
        words = (*own, "--weights", "run", "--data", "mine")
        ran = holdfast("attack", *words, "--threat", "linf:0.1", "--attack", "fgsm")
        assert ran.status == 0, ran.err
        assert "n=20 points" in ran.out
        ran = holdfast("attack", "--model", "run", "--attack", "fgsm")
        assert ran.status == 2
        assert ran.err.endswith("say --model package.module:function --weights run\n")


def test_evaluate_takes_a_recipe(holdfast, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs" / "digits_linf")
    ran = holdfast(
        "evaluate", "digits_linf", "--suite", "quick", "--n", "10", "--quiet", "--out", "c"
    )
    assert ran.status == 0, ran.err
    assert ran.out.startswith("On a random subset of n=10")
    assert ran.err == ""


def test_sign_and_verify_with_a_key(holdfast, claimed, trained, tmp_path):
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    formats = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = ed25519.Ed25519PrivateKey.generate()
    form = (formats.Encoding.PEM, formats.PrivateFormat.PKCS8, formats.NoEncryption())
    (tmp_path / "key").write_bytes(key.private_bytes(*form))
    ssh = (formats.Encoding.OpenSSH, formats.PublicFormat.OpenSSH)
    (tmp_path / "key.pub").write_bytes(key.public_key().public_bytes(*ssh))
    shutil.copytree(claimed, tmp_path / "c", ignore=shutil.ignore_patterns("ledger"))
    words = ("verify", "c", "--model", trained)
    assert "signed" not in holdfast(*words).out
    ran = holdfast(*words, "--key", "key.pub")
    assert (ran.status, ran.err.partition(": there")[0]) == (1, "NOT VERIFIED: c is not signed")
    ran = holdfast("sign", "c", "--key", "key", "--signer", "Jane \x1b[31mDoe")
    assert ran.status == 0, ran.err
    assert ran.out.startswith(r"c is signed as 'Jane \x1b[31mDoe' on 20")
    assert "key not checked" in holdfast(*words).out
    ran = holdfast(*words, "--key", "key.pub")
    assert ran.status == 0
    assert "(the key that was given)" in ran.out
    assert hf.sign("c", key="key").fingerprint in ran.out
    assert holdfast(*words, "--key", "key").err.startswith("error: key is a private key")
    assert holdfast("sign", "c", "--key", "absent").status == 2


@pytest.mark.filterwarnings("always::holdfast.errors.HoldfastWarning")
def test_a_warning_is_one_line(holdfast, trained, tmp_path):
    """Steps that cannot cross the radius: the line says what to write, without a source line."""
    ran = holdfast("attack", "--model", trained, "--n", "4", "--set", "attack.step_size=0.001")
    assert ran.status == 0
    (line,) = (line for line in ran.err.splitlines() if "step_size" in line)
    assert line.startswith("warning: the steps of pgd, step_size=0.001, reach 0.04 of the radius")
