"""The examples run, here on tiny settings."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SETTINGS = {
    "train_and_evaluate": ("--epochs", "1", "--n", "20"),
    "bring_your_own_model": ("--n", "20"),
    "security_curve": ("--epochs", "1", "--n", "20"),
    "recheck": ("--n", "20"),
    "own_loop_pytorch": ("--epochs", "1", "--n", "20"),
    "own_attack": ("--epochs", "1", "--n", "20"),
    "own_space": ("--epochs", "1", "--n", "20"),
    "own_method": ("--epochs", "1", "--n", "20"),
    "own_suite": ("--epochs", "1", "--n", "20"),
}
SAYS = {
    "train_and_evaluate": "UPPER bound",
    "bring_your_own_model": "within L2 eps=1, ",
    "security_curve": "eps  0.15",
    "recheck": "a changed file: ",
    "own_loop_pytorch": "UPPER bound",
    "own_attack": "Against custom: mine-1 ",
    "own_space": "within one shift per channel of at most 0.3",
    "own_method": "report: example/own_method/report.html",
    "own_suite": "Verified",
}
# Other people's frameworks warn and log in their own way, so each gets a process of its own.
FRAMEWORKS = {
    "own_loop_lightning": ("lightning",),
    "own_loop_trainer": ("transformers", "accelerate"),
    "own_loop_keras": ("keras",),
}
# Seconds of imports, as Lightning's, which runs by default; a test of models has Keras.
SLOW = {"own_loop_trainer", "own_loop_keras"}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def test_every_example_has_a_test():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SETTINGS, *FRAMEWORKS}


@pytest.mark.parametrize("name", SETTINGS)
def test_example(name, tmp_path, monkeypatch, capsys, own_components):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *SETTINGS[name]])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert SAYS[name] in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["example"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in FRAMEWORKS],
)
def test_example_of_a_framework(name, tmp_path):
    for package in FRAMEWORKS[name]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    command = [sys.executable, EXAMPLES / f"{name}.py", "--epochs", "1", "--n", "20"]
    path = {"PYTHONPATH": str(ROOT / "src"), "HOME": str(tmp_path / "example")}
    environment = {**os.environ, **OFFLINE, **path}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "UPPER bound" in done.stdout
    assert "HoldfastWarning" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["example"]


def _lines(text):
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("name", [name for name in (*SETTINGS, *FRAMEWORKS) if "own_loop" in name])
def test_the_guide_shows_lines_of_the_example(name):
    page = (ROOT / "docs" / "guides" / "own-loop.md").read_text("utf-8")
    shown = re.search(
        rf"^```python\n((?:(?!```).)*)```\n\n```console\npython examples/{name}\.py\n",
        page,
        re.DOTALL | re.MULTILINE,
    )
    assert shown, name
    example = "\n".join(_lines((EXAMPLES / f"{name}.py").read_text("utf-8")))
    assert "\n".join(_lines(shown[1])) in example
