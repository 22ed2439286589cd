"""Bad input on the command line: status 2, one line with the fix, nothing written."""

from __future__ import annotations

import errno
import shutil

import numpy as np
import pytest
import torch

from tiny import files_below, own_network, some_digits

TRAIN = ("train", "digits_linf", "--model", "mlp", "--out", "run", "--set", "plan.epochs=1")


def _npz(folder, x, y, x_test=None, y_test=None):
    x_test = x if x_test is None else x_test
    y_test = y if y_test is None else y_test
    np.savez(folder / "bad.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)


X, Y = (tensor.numpy() for tensor in some_digits(40))
WITH_NAN = np.where(np.arange(X.size).reshape(X.shape) == 5, np.nan, X).astype(np.float32)

DATA = {
    "images in 0..255 as floats": ((X * 255, Y), "divide by 255"),
    "NaN": ((WITH_NAN, Y), "must be finite"),
    "negative labels": ((X, Y - 1), "must not be negative"),
    "two lengths": ((X, Y[:7]), "40 examples and 7 labels"),
    "no examples": ((X[:0], Y[:0]), "empty"),
    "labels of a wrong shape": ((X, np.eye(10)[Y].astype(int)), "argmax"),
}


@pytest.mark.parametrize("case", DATA)
def test_bad_data(holdfast, tmp_path, trained, case):
    arrays, message = DATA[case]
    _npz(tmp_path, *arrays)
    for words in (
        (*TRAIN, "--data", "./bad.npz"),
        ("evaluate", "--model", trained, "--data", "./bad.npz", "--out", "claim"),
        ("attack", "--model", trained, "--data", "./bad.npz", "--out", "found"),
    ):
        _refused(holdfast(*words), message)
    assert files_below(tmp_path) == ["bad.npz"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [((X, Y + 5), "labels must be in 0..9"), ((X[:, :, :5], Y), "cannot take")],
    ids=["labels beyond the model's classes", "another shape"],
)
def test_data_that_the_model_does_not_fit(holdfast, tmp_path, trained, arrays, message):
    _npz(tmp_path, *arrays)
    for verb in ("evaluate", "attack"):
        words = (verb, "--model", trained, "--data", "./bad.npz", "--out", "made")
        _refused(holdfast(*words), message)
    assert files_below(tmp_path) == ["bad.npz"]


CONFIGS = {
    "eps of 0": ("--threat", "linf:0"),
    "eps below 0": ("--threat", "linf:-0.1"),
    "eps beyond the range": ("--threat", "linf:8"),
    "no eps": ("--threat", "linf"),
    "an unknown set": ("--threat", "l3:0.1"),
    "an unknown key": ("--set", "plan.epoch=3"),
    "an unknown method": ("--set", "method.type=madri"),
    "an unknown field": ("--set", "method.attack.stepz=3"),
    "a wrong type": ("--set", "plan.epochs=many"),
    "no value": ("--set", "plan.epochs"),
    "a field of a number": ("--set", "seed.x=3"),
    "an unknown network": ("--model", "resnet"),
    "an unknown set of data": ("--data", "digit"),
    "a device that is not there": ("--device", "cuda:77"),
    "no epochs": ("--set", "plan.epochs=0"),
}
FIXES = {
    "eps of 0": "eps must be in (0, 1], got 0",
    "eps below 0": "eps must be in (0, 1], got -0.1",
    "eps beyond the range": "write 8/255",
    "no eps": "linf:8/255",
    "an unknown set": "did you mean 'l2'",
    "an unknown key": "did you mean 'epochs'",
    "an unknown method": "did you mean 'madry'",
    "an unknown field": "did you mean 'steps'",
    "a wrong type": "must be int, got 'many'",
    "no value": "--set takes key=value",
    "a field of a number": "it has no fields",
    "an unknown network": "known: mlp",
    "an unknown set of data": "did you mean 'digits'",
    "a device that is not there": "cannot be used",
    "no epochs": "epochs must be at least 1",
}


@pytest.mark.parametrize("case", CONFIGS)
def test_bad_configurations(holdfast, tmp_path, case):
    _refused(holdfast(*TRAIN, *CONFIGS[case]), FIXES[case])
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train",), "say which data"),
        (("train", "--data", "digits"), "--out runs/a"),
        (("train", "--data", "digits", "--out", "run"), "--model NAME"),
        (("train", "digit_linf"), "did you mean 'digits_linf'"),
        (("train", "./absent.yaml"), "check the path"),
        (("evaluate", "--out", "c"), "--model FOLDER"),
        (("evaluate", "--model", "nowhere", "--out", "c"), "no run folder"),
        (("evaluate", "--model", ".", "--out", "c"), "holds no training run"),
        (("evaluate", "--model", "absent_module:build", "--out", "c"), "cannot import"),
        (("evaluate", "--model", "json:loads", "--out", "c"), "loads"),
        (("verify", "nowhere"), "no finished claim"),
        (("report", "nowhere"), "no finished claim"),
    ],
)
def test_missing_or_unknown_things(holdfast, tmp_path, words, message):
    _refused(holdfast(*words), message)
    assert files_below(tmp_path) == []


def test_evaluating_needs_a_threat_model_and_data(holdfast, tmp_path):
    (tmp_path / "net_three.py").write_text("from tiny import own_network, probabilities\n")
    own = ("evaluate", "--model", "net_three:own_network", "--out", "claim")
    _refused(holdfast(*own), "--threat linf:8/255")
    _refused(holdfast(*own, "--threat", "linf:0.1"), "--data digits")
    soft = ("evaluate", "--model", "net_three:probabilities", "--data", "digits", "--out", "claim")
    soft += ("--threat", "linf:0.1")
    _refused(holdfast(*soft), "from the function of --model")
    assert not (tmp_path / "claim").exists()


def test_outputs_that_are_probabilities_are_said_by_an_option(holdfast, tmp_path):
    (tmp_path / "net_five.py").write_text("from tiny import own_network, probabilities\n")
    asked = ("--model", "net_five:probabilities", "--data", "digits", "--threat", "linf:0.1")
    said = ("--outputs", "probabilities")
    small = ("--suite", "quick", "--n", "4", "--out", "claim", "--quiet")
    assert holdfast("evaluate", *asked, *said, *small).status == 0
    again = ("verify", "claim", *asked[:4], "--replay", "0")
    assert holdfast(*again, *said).status == 0
    assert holdfast(*again).status == 0  # the claim says so itself
    assert "another model" in holdfast(*again, "--outputs", "logits").err


def test_weights_of_another_architecture_and_truncated_ones(holdfast, tmp_path):
    (tmp_path / "net_four.py").write_text("from tiny import own_network\n")
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "other.pt")
    torch.save(own_network().state_dict(), tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "part.pt").write_bytes(whole[: len(whole) // 2])
    own = ("--model", "net_four:own_network")
    words = ("attack", *own, "--data", "digits", "--threat", "linf:0.1")
    _refused(holdfast(*words, "--weights", "other.pt"), "do not fit")
    _refused(holdfast(*words, "--weights", "part.pt"), "truncated or altered")
    _refused(holdfast(*words, "--weights", "absent.pt"), "check the path")


def test_damaged_files_of_ours(holdfast, trained, claimed, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    for weights in run.glob("best/*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:50])
    _refused(holdfast("attack", "--model", run), "truncated or altered")
    claim = shutil.copytree(claimed, tmp_path / "claim")
    table = claim / "per_example.csv"
    table.write_bytes(table.read_bytes().replace(b"0", b"1", 1))
    ran = holdfast("verify", claim, "--model", trained)
    assert ran.status == 1
    assert "per_example.csv was altered" in ran.err
    assert holdfast("report", claim, "-o", "r.html").status == 1
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("verb", ["train", "evaluate", "attack", "report"])
def test_an_unwritable_folder(holdfast, trained, claimed, tmp_path, verb):
    (tmp_path / "file").write_text("in the way")
    words = {
        "train": (*TRAIN, "--out", "file/run"),
        "evaluate": ("evaluate", "--model", trained, "--suite", "quick", "--n", "4", "--quiet",
                     "--out", "file/claim"),
        "attack": ("attack", "--model", trained, "--n", "4", "--out", "file/found"),
        "report": ("report", claimed, "-o", "file/r.html"),
    }[verb]  # fmt: skip
    ran = holdfast(*words)
    assert ran.status == 2
    assert "file" in ran.err.splitlines()[-1]
    assert "choose another folder" in ran.err.splitlines()[-1]
    assert files_below(tmp_path) == ["file"]


def test_a_full_disk(holdfast, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("holdfast.storage.os.fsync", full)
    _refused(holdfast(*TRAIN), "the disk is full")


def test_broken_files_of_configuration(holdfast, tmp_path):
    texts = {
        "train: [": "is not valid YAML",
        "just text": "must have sections",
        "trian: {}": "did you mean 'train'",
        "evaluate: {}": "has no section 'train:'",
        "train: 3": "must be a mapping",
        "train: {data: digits, datta: x}": "did you mean 'data'",
        "train: {seed: 1, seed: 2}": "comes twice",
        "train: {plan: {optimizer: {type: adam, lr: fast}}}": "adam.lr must be float",
    }
    for text, message in texts.items():
        (tmp_path / "c.yaml").write_text(text)
        _refused(holdfast("train", "./c.yaml", "--out", "run"), message)
    assert files_below(tmp_path) == ["c.yaml"]


def _refused(ran, message):
    assert ran.status == 2, ran
    assert ran.out == ""
    assert ran.err.count("\n") == 1, ran.err
    assert ran.err.startswith("error: ")
    assert message in ran.err
