"""A headless Chromium: what it makes of a page, and what it asks the network for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium here: apt-get install chromium to run this test"
    ),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-device-scale-factor=1"),
)


def chromium(*arguments: str) -> str:
    """Run the browser once, with a profile of its own, and return what it prints."""
    assert CHROMIUM is not None
    # The browser's helpers may still write into the folder while it is being removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *arguments]
        environment = {**os.environ, "HOME": profile}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True, env=environment
        )
    return done.stdout


def asked(log: Path) -> list[str]:
    """Return the addresses on the network in the browser's log, but for those of its own."""
    found = re.findall(r'"url":"((?!file:|data:|chrome)[^"]+)"', log.read_text())
    own = ("google", "gstatic", "gvt1")
    return [address for address in found if not any(name in address for name in own)]
