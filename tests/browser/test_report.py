"""The HTML report in a real browser: no sideways scrolling, dark mode, no request, a real picture.

The page under test sits in a frame of the wanted width, so that one can ask for its size: it
allows no scripts of its own.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from claim_fixture import make_claim
from headless import IN_A_BROWSER, chromium, requests
from holdfast.reporting import write_report

pytestmark = IN_A_BROWSER
PROBE = """<!doctype html><body style="margin:0"><iframe id="f" style="border:0"
width="{width}" height="4000" srcdoc="{page}"></iframe><pre id="out"></pre><script>
document.getElementById("f").addEventListener("load", (event) => {{
  const page = event.target.contentDocument;
  for (const fold of page.querySelectorAll("details")) fold.open = true;
  const root = page.documentElement, wide = [];
  for (const item of page.querySelectorAll("body *")) {{
    const box = item.getBoundingClientRect();
    if (box.right <= {width} + 0.5 || item.closest(".hidden")) continue;
    wide.push(item.outerHTML.slice(0, 90));
  }}
  const broken = [...page.images].filter((i) => i.complete && i.naturalWidth === 0).length;
  document.getElementById("out").textContent = JSON.stringify({{
    inner: event.target.contentWindow.innerWidth, scroll: root.scrollWidth,
    height: root.scrollHeight, wide: wide.slice(0, 5), images: page.images.length, broken: broken,
    text: parseFloat(event.target.contentWindow.getComputedStyle(page.body).fontSize),
  }});
}});
</script>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ordinary claims, with the names that are hardest to lay out."""
    folder = tmp_path_factory.mktemp("claims")
    long = "a_model_name_without_any_place_to_break_" * 3
    fail = {"id": "zero-gradient", "status": "fail", "message": long, "remedy": "w " * 80}
    claims = [
        make_claim(folder / "a", name="standard", robust=0.02, seed=1, gallery=14),
        make_claim(folder / "b", name=long, robust=0.6, seed=2, n=10_000),
        make_claim(folder / "c", name="bad", robust=0.6, n=1000, checks=[fail], eps="8/255"),
    ]
    return write_report(claims, folder / "report.html")


def measure(text: str, folder: Path, width: int) -> dict[str, Any]:
    probe = folder / "probe.html"
    page = html.escape(text, quote=True)
    probe.write_text(PROBE.format(width=width, page=page), encoding="utf-8")
    out = chromium("--virtual-time-budget=5000", "--dump-dom", probe.as_uri())
    found = re.search(r'<pre id="out">(.+?)</pre>', out, flags=re.DOTALL)
    assert found is not None
    measured: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return measured


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_no_width_scrolls_sideways(report: Path, tmp_path: Path, width: int) -> None:
    measured = measure(report.read_text(encoding="utf-8"), tmp_path, width)
    assert measured["inner"] == width
    assert measured["scroll"] <= width, measured["wide"]
    assert measured["wide"] == []
    assert measured["height"] > 3000
    assert measured["text"] >= 16
    assert measured["images"] == 3 * (14 + 6 + 6)
    assert measured["broken"] == 0


def test_the_measurement_would_notice_a_page_that_is_too_wide(tmp_path: Path) -> None:
    measured = measure("<!doctype html><p style='width:500px'>wide</p>", tmp_path, 375)
    assert measured["scroll"] > 375
    assert len(measured["wide"]) == 1


def picture(report: Path, tmp_path: Path, width: int, *, dark: bool) -> np.ndarray:
    shot = tmp_path / f"{width}-{dark}.png"
    scheme = "--blink-settings=preferredColorScheme=" + ("0" if dark else "1")
    chromium(scheme, f"--window-size={width},1600", f"--screenshot={shot}", report.as_uri())
    with Image.open(shot) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("width", [375, 1200])
def test_it_is_drawn_in_light_and_in_dark(report: Path, tmp_path: Path, width: int) -> None:
    light = picture(report, tmp_path, width, dark=False)
    dark = picture(report, tmp_path, width, dark=True)
    assert light.shape == dark.shape == (1600, width, 3)
    assert light[:8].mean() > 240  # the paper
    assert dark[:8].mean() < 40
    for pixels in (light, dark):
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200  # text, charts, colours
        rows = np.ptp(pixels, axis=1).max(axis=1) > 60
        assert rows.mean() > 0.3  # something is drawn in a good part of the rows


def test_nothing_is_requested(report: Path, tmp_path: Path) -> None:
    control = tmp_path / "control.html"
    control.write_text("<img src='http://127.0.0.1:9/picture.png'>")
    assert requests(control.as_uri(), tmp_path)
    assert requests(report.as_uri(), tmp_path) == []
