from __future__ import annotations

from pathlib import Path

import pytest

import holdfast as hf
from tiny import tiny_claim, tiny_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; tests do not change it."""
    folder = tmp_path_factory.mktemp("api") / "run"
    tiny_run(folder)
    return folder


@pytest.fixture(scope="session")
def claim(run: Path) -> hf.Claim:
    """A claim on that run; tests do not change it."""
    return tiny_claim(hf.load(run), run.parent / "claim")
