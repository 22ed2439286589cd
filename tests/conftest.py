"""What every test shares: one thread, and the way to the shared data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent

# One thread per worker: the workers share the cores, and the last digits of a result depend on it.
torch.set_num_threads(1)


def shared_folder() -> Path:
    """The folder of data and networks that some tests need; it may be absent."""
    return Path(os.environ.get("HOLDFAST_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data and networks; the test is skipped where it is absent."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: set HOLDFAST_SHARED to the folder of shared data")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that uses the fixture `shared` carries the marker too."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
