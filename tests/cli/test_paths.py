"""A path that leads to something else: one line that names it, says what it is, and the fix."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from holdfast import folders
from holdfast.claims.contents import DOCUMENT
from tiny import tiny_claim, tiny_run

CLAIM, MODEL, DATA = "claim", "model", "data"
EVALUATE = ("--data", "digits", "--threat", "linf:0.1", "--n", "2")
COMMANDS = {
    "report": (CLAIM, ("report", "PATH")),
    "verify": (CLAIM, ("verify", "PATH")),
    "sign": (CLAIM, ("sign", "PATH", "--key", "nokey")),
    "evaluate": (MODEL, ("evaluate", "--model", "PATH", "--out", "new", *EVALUATE)),
    "attack": (MODEL, ("attack", "--model", "PATH", *EVALUATE)),
    "verify-model": (MODEL, ("verify", "claim", "--model", "PATH")),
    "train-data": (DATA, ("train", "digits_linf", "--data", "PATH", "--out", "new")),
    "evaluate-data": (DATA, ("evaluate", "--model", "run", "--data", "PATH", "--out", "new")),
    "train": ("recipe", ("train", "PATH", "--out", "new")),
}
# What lies there -> what is said of it; one word for each kind of thing that is wanted.
PATHS = {
    "nowhere": dict.fromkeys((CLAIM, MODEL), "it does not exist") | {
        DATA: "no such path is here", "recipe": "unknown recipe"},
    "notes": dict.fromkeys((CLAIM, MODEL), "it is a file") | {
        DATA: "give an .npz of plain arrays", "recipe": "it is a file; a file of your own ends"},
    "empty": dict.fromkeys((CLAIM, MODEL, DATA, "recipe"), "it is an empty folder"),
    "run": {CLAIM: "it holds a training run; holdfast evaluate --model",
            DATA: "holds a training run, no data", "recipe": "it holds a training run"},
    "claim": {MODEL: "it holds a claim", DATA: "holds a claim, no data",
              "recipe": "it holds a claim"},
    "stopped": {CLAIM: "an evaluation that is not finished; run it again",
                MODEL: "an evaluation that is not finished"},
    "parent": {CLAIM: "the folder around a claim in parent/claim",
               MODEL: "the folder around a claim in parent/claim, a training run in parent/run"},
    "run/best": {CLAIM: "holds the model of one epoch"},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with one of everything; tests do not change it."""
    folder = tmp_path_factory.mktemp("paths")
    tiny_claim(tiny_run(folder / "run").model, folder / "claim", n=4)
    (folder / "notes").write_text("hello")
    (folder / "empty").mkdir()
    shutil.copytree(folder / "claim", folder / "stopped")
    (folder / "stopped" / DOCUMENT).unlink()
    for name in ("claim", "run"):
        shutil.copytree(folder / name, folder / "parent" / name)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_verb_says_what_lies_there(holdfast, home, monkeypatch, command):
    monkeypatch.chdir(home)
    wanted, words = COMMANDS[command]
    for path, said in PATHS.items():
        if wanted not in said:
            continue
        ran = holdfast(*(path if word == "PATH" else word for word in words))
        assert ran.status == 2, (path, ran)
        assert ran.err.count("\n") == 1, ran.err
        assert path in ran.err
        assert said[wanted] in ran.err
        assert not Path("new").exists()


def test_the_names_of_the_files_are_those_that_are_written(home):
    assert folders.CLAIM == DOCUMENT
    assert (home / "run" / folders.RUN).is_file()
    assert (home / "claim" / folders.SEGMENTS).is_dir()
