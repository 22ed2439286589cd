"""Shared by every test: one thread, a seed, and the way to what is not in the repository."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch

from holdfast import components
from holdfast.plugins import load_plugins

ROOT = Path(__file__).resolve().parent.parent

# One thread per worker: the workers share the cores, and the last digits of a result depend on it.
torch.set_num_threads(1)


def shared_folder() -> Path:
    """Published networks and data sets that are not part of the repository; it may be absent.

    HOLDFAST_SHARED names it; unset, it is a folder `shared` beside the repository, where continuous
    integration puts it.
    """
    return Path(os.environ.get("HOLDFAST_SHARED", ROOT.parent / "shared"))


def seed(name: str) -> None:
    """Seed the global generators by a name."""
    number = crc32(name.encode())
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002
    torch.manual_seed(number)


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """Let a test draw the same every time, whatever ran before it.

    Each has a seed of its own, so that a result which two tests share cannot depend on it unseen.
    """
    seed(request.node.name)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> None:
    """Do the same for what several tests share: it is made by whichever of them comes first."""
    if fixturedef.scope != "function":
        seed(fixturedef.argname)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Published networks and data sets; the test is skipped where they are absent."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set HOLDFAST_SHARED to the published networks and data sets")
    return folder


@pytest.fixture
def own_components(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after the test what it registers."""
    kept = {kind: dict(shelf) for kind, shelf in components._components.items()}
    monkeypatch.setattr(components, "_components", kept)
    monkeypatch.setattr(components, "_labels", dict(components._labels))


@pytest.fixture
def plugins_anew() -> Iterator[None]:
    """Plug-ins are looked for once in a process: let this test look, and those after it."""
    load_plugins.cache_clear()
    yield
    load_plugins.cache_clear()


def pytest_configure() -> None:
    """Hear signals that the shell had ignored, as behind nohup: some tests send them."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            hears = number == signal.SIGINT
            signal.signal(number, signal.default_int_handler if hears else signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that uses the fixture `shared` carries the marker too."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
