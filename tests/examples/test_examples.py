"""The examples run, here on tiny settings."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SETTINGS = {
    "train_and_evaluate": ("--epochs", "1", "--n", "20"),
    "bring_your_own_model": ("--n", "20"),
    "security_curve": ("--epochs", "1", "--n", "20"),
    "recheck": ("--n", "20"),
}
SAYS = {
    "train_and_evaluate": "UPPER bound",
    "bring_your_own_model": "within L2 eps=1, ",
    "security_curve": "eps  0.15",
    "recheck": "a changed file: ",
}


def test_every_example_has_a_test():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_example(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *SETTINGS[name]])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["example"]
