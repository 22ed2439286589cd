"""Components of other packages are found by their entry points, when they are asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from holdfast.errors import HoldfastWarning
from holdfast.plugins import load_plugins
from installed import PLUGIN, write_example, write_installed
from tiny import with_source

MODEL = "import torch\ndef build():\n    return torch.nn.Sequential({})\n"
LAYERS = "torch.nn.Flatten(), torch.nn.Linear(64, 10)"
DATA = ["--data", "digits", "--model", "net:build", "--threat", "linf:0.1", "--n", "8"]
PROGRAM = f"""
import sys
import holdfast as hf
from holdfast.cli.main import run

assert hf.evaluation.get_suite("quick") and "holdfast_signs" not in sys.modules
assert not run(["list", "attack"]) and not run(["list", "random_signs"])
assert not run(["attack", "--attack", "random_signs", *{DATA}])
assert not run(["attack", "--attack", "random_signs", "--set", "attack.queries=7", *{DATA}])
assert not run(["evaluate", "--suite", "signs", "--out", "claim", "--quiet", *{DATA}])
assert not run(["verify", "claim", "--model", "net:build", "--data", "digits", "--replay", "2"])
"""


def tried(site: Path, work: Path) -> str:
    """Run the program in a process that finds what is installed in `site`."""
    (work / "net.py").write_text(MODEL.format(LAYERS))
    environment = with_source()
    environment["PYTHONPATH"] += f":{site}"
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def check_output(said: str) -> None:
    assert "random_signs The worst of random steps" in said
    assert "Of holdfast_signs." in said
    assert "queries" in said
    assert "against random_signs" in said.lower()
    assert "Against custom: signs-1" in said
    assert "Verified" in said


def test_an_installed_package_is_known_to_every_command(tmp_path):
    site = tmp_path / "site"
    write_example(site)
    check_output(tried(site, tmp_path))


@pytest.mark.slow
def test_the_example_installs_and_passes_its_own_tests(tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site]
    source = shutil.copytree(PLUGIN, tmp_path / "source")
    subprocess.run([*pip, source], check=True)
    check_output(tried(site, tmp_path))
    environment = with_source()
    environment["PYTHONPATH"] += f":{site}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", source]
    subprocess.run(command, cwd=source, env=environment, check=True)


def test_a_plug_in_that_cannot_be_imported_is_a_warning(tmp_path, monkeypatch, plugins_anew):
    code = "raise RuntimeError('half\\ninstalled')"
    write_installed(tmp_path / "site", "halved", "halved_plugin", code)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.warns(
        HoldfastWarning, match="plug-in halved_plugin of the package halved"
    ) as found:
        load_plugins()
    assert "\n" not in str(found[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_plugins()  # once is enough


def test_the_working_folder_installs_nothing(tmp_path, monkeypatch, plugins_anew):
    write_installed(tmp_path, "here", "plugin_here", "raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    load_plugins()
    assert "plugin_here" not in sys.modules
