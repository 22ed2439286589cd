from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import holdfast as hf
from holdfast.cli.main import run
from tiny import tiny_claim, tiny_run


@dataclass
class Ran:
    """What a command gave."""

    status: int
    out: str
    err: str


@pytest.fixture
def holdfast(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Run a command in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("HOLDFAST_DATA", raising=False)

    def command(*words: object) -> Ran:
        capsys.readouterr()
        status = run([str(word) for word in words])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return command


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; tests do not change it."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    tiny_run(folder)
    return folder


@pytest.fixture(scope="session")
def claimed(trained: Path) -> Path:
    """The folder of a claim on that run; tests do not change it."""
    return tiny_claim(hf.load(trained), trained.parent / "claim").folder
