"""Bad input is one clear error, and nothing is written."""

from __future__ import annotations

import errno
import shutil
import subprocess

import pytest
import torch

import holdfast as hf
from tiny import (
    METHOD,
    NETWORK,
    PLAN,
    THREAT,
    files_below,
    own_network,
    probabilities,
    some_digits,
    tiny_claim,
    tiny_run,
)

X, Y = some_digits()


def _attack(model, x, y, out):
    hf.attack(model, x, y, threat=THREAT, attack=hf.attacks.FGSM(), seed=0)


def _evaluate(model, x, y, out):
    hf.evaluate(model, (x, y), threat=THREAT, suite="quick", out=out / "claim", quiet=True)


def _train(model, x, y, out):
    hf.train(model, (x, y), threat=THREAT, method=METHOD, epochs=1, out=out / "run", quiet=True)


def _with(tensor, position, value):
    changed = tensor.clone()
    changed.view(-1)[position] = value
    return changed


CASES = {
    "images in 0..255": (own_network, X * 255, Y, "divide by 255"),
    "NaN": (own_network, _with(X, 3, float("nan")), Y, "must be finite"),
    "infinite": (own_network, _with(X, 3, float("inf")), Y, "must be finite"),
    "a label too large": (own_network, X, _with(Y, 0, 10), r"labels must be in 0\.\.9, got 10"),
    "a negative label": (own_network, X, _with(Y, 0, -1), "must not be negative, got -1"),
    "float labels": (own_network, X, Y.float(), "pass y.long()"),
    "one-hot labels": (own_network, X, torch.eye(10)[Y], r"argmax\(1\)"),
    "a wrong shape": (own_network, X[:, :, :5], Y, r"cannot take .* inputs \(N, 1, 5, 8\)"),
    "two lengths": (own_network, X, Y[:5], "16 examples and 5 labels"),
    "nothing": (own_network, X[:0], Y[:0], "empty"),
    "probabilities": (probabilities, X, Y, "returns probabilities"),
    "another range": (
        lambda: hf.wrap(own_network(), range=(0.0, 255.0)),
        X,
        Y,
        r"\(0\.0, 255\.0\) and the threat model's",
    ),
}


@pytest.mark.parametrize("call", [_attack, _evaluate, _train])
@pytest.mark.parametrize("case", CASES)
def test_bad_examples_and_models(case, call, tmp_path):
    model, x, y, message = CASES[case]
    with pytest.raises(hf.InputError, match=message) as caught:
        call(model(), x, y, tmp_path)
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("space", [hf.Linf, hf.L2])
@pytest.mark.parametrize("eps", [0, -0.1, "0/255", float("nan"), "eight", None])
def test_eps_must_be_a_positive_number(space, eps):
    with pytest.raises(hf.InputError, match="eps must be"):
        space(eps=eps)


def test_eps_beyond_the_range():
    with pytest.raises(hf.InputError, match="8/255"):
        hf.Linf(eps=8)
    with pytest.raises(hf.InputError, match="eps"):
        hf.attack(own_network(), X, Y, threat=hf.ThreatModel(hf.L2(eps=9.0)), seed=0)


def test_unknown_names_bring_the_nearest(tmp_path):
    with pytest.raises(hf.ConfigError, match="did you mean 'preactresnet18'"):
        hf.train("preactresnet", (X, Y), threat=THREAT, out=tmp_path / "run")
    with pytest.raises(hf.ConfigError, match="standard"):
        hf.evaluate(own_network(), (X, Y), threat=THREAT, suite="standrad", out=tmp_path / "c")
    with pytest.raises(hf.InputError, match="did you mean 'digits'"):
        hf.evaluate(own_network(), "digit", threat=THREAT, out=tmp_path / "c")
    assert files_below(tmp_path) == []


class TestFiles:
    """Folders that cannot be written, files that are damaged or of something else."""

    @pytest.mark.parametrize("call", [_evaluate, _train])
    def test_a_folder_below_a_regular_file(self, call, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(hf.StorageError, match=r"not a folder|is in the way|is a file"):
            call(own_network(), X, Y, tmp_path / "file" / "sub")
        assert files_below(tmp_path) == ["file"]

    @pytest.mark.parametrize("call", [_evaluate, _train])
    def test_a_full_disk(self, call, tmp_path, monkeypatch):
        def full(handle):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("holdfast.storage.os.fsync", full)
        with pytest.raises(hf.StorageError, match="the disk is full"):
            call(own_network(), X, Y, tmp_path)

    @pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount here")
    def test_a_disk_that_is_really_full(self, tmp_path):
        small = tmp_path / "small"
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("a small tmpfs needs the rights of root")
        try:
            with pytest.raises(hf.StorageError, match="the disk is full"):
                tiny_run(small / "run")
        finally:
            subprocess.run(["umount", str(small)], check=True)

    def test_a_truncated_checkpoint(self, run, tmp_path):
        copy = shutil.copytree(run, tmp_path / "run")
        for weights in copy.glob("*/epoch-*.safetensors"):
            weights.write_bytes(weights.read_bytes()[:100])
        with pytest.raises(hf.StorageError, match="truncated or altered"):
            hf.load(copy)

    def test_a_truncated_training_state(self, tmp_path):
        tiny_run(tmp_path / "run", epochs=1)
        (state,) = (tmp_path / "run" / "checkpoints").glob("epoch-00001*/tensors.safetensors")
        state.write_bytes(state.read_bytes()[:-1])
        with pytest.raises(hf.StorageError, match="truncated or altered"):
            tiny_run(tmp_path / "run", epochs=1, resume=True)

    def test_a_checkpoint_of_another_architecture(self, tmp_path):
        plan = hf.TrainPlan(epochs=1, batch_size=8)
        hf.train(
            own_network(),
            (X, Y),
            threat=THREAT,
            method=METHOD,
            plan=plan,
            out=tmp_path / "run",
            quiet=True,
        )
        other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        with pytest.raises(hf.InputError, match="another architecture"):
            hf.load(tmp_path / "run", other)

    def test_resuming_another_run(self, run):
        before = files_below(run)
        with pytest.raises(hf.ConfigError, match="another network"):
            hf.train(
                {**NETWORK, "hidden": [16]},
                "digits",
                threat=THREAT,
                method=METHOD,
                plan=PLAN,
                out=run,
                resume=True,
                quiet=True,
            )
        assert files_below(run) == before

    def test_a_tampered_claim(self, run, claim, tmp_path):
        model = hf.load(run)
        for name in ("claim.json", "per_example.csv"):
            copy = shutil.copytree(claim.folder, tmp_path / f"changed {name}")
            content = bytearray((copy / name).read_bytes())
            content[len(content) // 2] ^= 1
            (copy / name).write_bytes(bytes(content))
            with pytest.raises(hf.VerificationError, match=name):
                hf.verify(copy, model=model, data="digits")

    def test_a_claim_on_something_else(self, run, claim):
        model = hf.load(run)
        with pytest.raises(hf.VerificationError, match="model"):
            hf.verify(claim.folder, model=hf.load(run / "last").module[:-1], data="digits")
        with pytest.raises(hf.VerificationError, match="data"):
            hf.verify(claim.folder, model=model, data="digits:validation")
        with pytest.raises(hf.StorageError, match="no finished claim"):
            hf.verify(run, model=model, data="digits")

    def test_no_run_there(self, tmp_path):
        with pytest.raises(hf.InputError, match="holds no training run"):
            hf.load(tmp_path)


def test_n_beyond_the_data(run, tmp_path):
    with pytest.raises(hf.InputError, match=r"n must be in 1\.\.359"):
        tiny_claim(hf.load(run), tmp_path / "claim", n=1000)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat": hf.Linf(eps=0.1)}, r"write ThreatModel\(Linf\(\.\.\.\)\)"),
        ({"threat": "linf"}, r"threat must be a ThreatModel, got 'linf': write ThreatModel\(Linf"),
        ({"method": hf.TRADES}, r"write TRADES\(\), or 'trades'"),
        ({"method": "trads"}, "did you mean 'trades'"),
        ({"method": 3}, "method must be a Method or its name or None, got 3"),
        ({"plan": {"epochs": 3}}, "plan must be a TrainPlan"),
    ],
)
def test_training_takes_components_of_its_kinds_alone(changes, message, tmp_path):
    options = {"threat": THREAT, "out": tmp_path / "run", "quiet": True, **changes}
    with pytest.raises(ValueError, match=message) as caught:
        hf.train(own_network(), (X, Y), **options)
    assert isinstance(caught.value, hf.HoldfastError)
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threat": hf.L2(eps=0.1)}, r"write ThreatModel\(L2\("),
        ({"attack": hf.attacks.PGD}, r"write PGD\(\), or 'pgd'"),
        ({"attack": "pgdd"}, "did you mean 'pgd'"),
        ({"targets": Y}, "a target must differ from the label: 16 of 16"),
    ],
)
def test_an_attack_takes_components_of_its_kinds_alone(changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        hf.attack(own_network(), X, Y, **{"threat": THREAT, **changes})
    assert isinstance(caught.value, hf.HoldfastError)


def test_an_evaluation_refuses_a_set_alone(tmp_path):
    with pytest.raises(hf.InputError, match="the set alone"):
        hf.evaluate(own_network(), (X, Y), threat=hf.Linf(eps=0.1), out=tmp_path / "claim")
    assert files_below(tmp_path) == []


def test_names_stand_for_components():
    by_name = hf.attack(own_network(), X, Y, threat=THREAT, attack="fgsm", seed=0)
    made = hf.attack(own_network(), X, Y, threat=THREAT, attack=hf.attacks.FGSM(), seed=0)
    assert torch.equal(by_name.x_adv, made.x_adv)
