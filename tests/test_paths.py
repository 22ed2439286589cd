"""Paths as users write them: a home folder is found, and what is no text is refused at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import holdfast as hf
from evaluation_setup import TINY
from holdfast import recipes
from holdfast.attacks import Ascent, fit
from holdfast.cli import subject
from holdfast.data import from_tensors
from holdfast.errors import ConfigError, InputError
from holdfast.evaluation import export_png
from holdfast.models import load_weights
from holdfast.storage import user_path
from tiny import files_below

THREAT = hf.ThreatModel(hf.Linf(eps=0.1))
NO_TEXT = os.fsdecode(b"no\xebl")  # a name in Latin-1


def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(25, 5)).eval()


def data():
    x = torch.linspace(0, 1, 20 * 25).reshape(20, 1, 5, 5)
    return from_tensors(x, torch.arange(20) % 5, num_classes=5)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def claim(tmp_path_factory):
    return evaluated(tmp_path_factory.mktemp("paths") / "claim")


def evaluated(out):
    return hf.evaluate(net(), data(), threat=THREAT, suite=TINY, out=out, quiet=True)


WRITERS = {
    "train": lambda out, claim: hf.train(
        "mlp", data(), threat=THREAT, out=out, epochs=1, quiet=True
    ),
    "evaluate": lambda out, claim: evaluated(out),
    "fit": lambda out, claim: fit(Ascent(epochs=1), net(), data(), threat=THREAT, out=out),
    "export": lambda out, claim: export_png(claim, model=net(), data=data(), out=out),
    "report": lambda out, claim: hf.report(claim, f"{out}.html"),
    "markdown": lambda out, claim: hf.report(claim, f"{out}.md"),
    "save": lambda out, claim: claim.save(out),
}
READERS = {
    "run": hf.load,
    "data": hf.load_data,
    "claim": hf.Claim.load,
    "weights": lambda path: load_weights(net(), path),
    "onnx": lambda path: hf.wrap(f"{path}.onnx"),
    "perturbation": lambda path: hf.attacks.Perturbation(path=path).about,
    "recipe": lambda path: recipes.read(f"{path}.yaml"),
    "model": lambda path: subject.model_of(path, None),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_tilde_is_the_home_folder_for_what_writes(writer, claim, home, monkeypatch):
    (home / "here").mkdir()
    monkeypatch.chdir(home / "here")
    WRITERS[writer]("~/made", claim)
    assert files_below(home / "here") == []
    assert [path for path in home.iterdir() if path.name.startswith("made")]


def test_a_tilde_is_the_home_folder_for_what_reads(claim, home, monkeypatch):
    claim.save(home / "claim")
    save_file(net().state_dict(), home / "w.safetensors")
    (home / "mine.yaml").write_text("train: {}")
    (home / "set.npz").write_text("damaged")
    fit(Ascent(epochs=1), net(), data(), threat=THREAT, out=home / "u")
    assert hf.Claim.load("~/claim").document == claim.document
    load_weights(net(), "~/w.safetensors")
    assert recipes.read("~/mine.yaml")[0] == "train: {}"
    assert hf.attacks.Perturbation(path="~/u").about["seed"] == 0
    assert subject.is_run("~/claim")
    with pytest.raises(InputError, match="it is truncated"):
        hf.load_data("~/set.npz")
    monkeypatch.setenv("HOLDFAST_DATA", "~")
    with pytest.raises(InputError, match="it is truncated"):
        hf.load_data("set")


@pytest.mark.parametrize("name", [NO_TEXT, f"{NO_TEXT}/a", "nul\0", "x" * 300])
@pytest.mark.parametrize("writer", WRITERS)
def test_a_name_that_cannot_be_written_down_is_refused_before_the_work(
    writer, name, claim, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((InputError, ConfigError)) as caught:
        WRITERS[writer](name, claim)
    said = str(caught.value)
    assert any(words in said for words in ("no UTF-8", "zero byte", "name too long"))
    assert "\n" not in said
    assert said.isprintable()
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("name", [NO_TEXT, "nul\0", "x" * 300, "~nobody-of-this-name/a"])
@pytest.mark.parametrize("reader", READERS)
def test_nothing_is_read_by_such_a_name(reader, name):
    with pytest.raises((InputError, ConfigError)) as caught:
        READERS[reader](name)
    assert "\n" not in str(caught.value)


def test_a_class_folder_that_is_no_text_is_refused_before_the_work(tmp_path):
    folder = tmp_path / "set"
    for name in ("a", NO_TEXT):
        (folder / name).mkdir(parents=True)
    with pytest.raises(InputError, match="no UTF-8"):
        hf.load_data(folder)


def test_a_report_may_be_written_in_a_folder_of_any_name(claim, tmp_path, monkeypatch):
    strange = tmp_path / NO_TEXT
    strange.mkdir()
    monkeypatch.chdir(strange)
    for name in (".", "b"):
        claim.save(name)
    for report in ("r.html", "r.md"):  # two models of one name go by their folders' names
        assert "udceb" in hf.report([".", "b"], report).read_text()


def test_what_is_no_path_and_what_is_one():
    for value in (3, None, ["a"], ""):
        with pytest.raises(InputError, match="out must"):
            user_path(value, "out")
    assert user_path("$HOME/ä 8/255") == Path("$HOME/ä 8/255")  # variables are the shell's
    assert user_path(Path("a")) == Path("a")
