"""The HTML report in a real browser: every width and scheme, each control, paper, no script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from claim_fixture import make_claim
from devtools import Browser
from headless import IN_A_BROWSER
from holdfast.reporting import write_report

pytestmark = IN_A_BROWSER
LONG = "a_model_name_without_any_place_to_break_" * 3
EVIL = (
    "<img src=x onerror='window.bad=1'>\"'<script>window.bad=1</script>&{{7*7}}|`${window.bad=1}`"
)
CLASSES = tuple(f"class {i:02d}" for i in range(30))
SHOWN = "[...document.querySelectorAll('.gallery li')].filter(i => i.checkVisibility()).length"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ordinary claims, with the names that are hardest to lay out."""
    folder = tmp_path_factory.mktemp("claims")
    fail = {"id": "zero-gradient", "status": "fail", "message": LONG, "remedy": "w " * 80}
    claims = [
        make_claim(folder / "a", name="standard", robust=0.02, seed=1, gallery=14),
        make_claim(folder / "b", name=LONG, robust=0.6, seed=2, n=360),
        make_claim(folder / "c", name="bad", robust=0.6, checks=[fail], classes=CLASSES),
    ]
    return write_report(claims, folder / "report.html")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One claim of many classes, more pictures than are shown open, and a training run."""
    folder = tmp_path_factory.mktemp("claim")
    claim = make_claim(folder / "c", n=3000, classes=CLASSES, gallery=20)
    return write_report([claim], folder / "report.html")


def measure(browser: Browser, width: int) -> dict[str, Any]:
    """Return what sticks out of the page, with all that can be folded open."""
    measured: dict[str, Any] = browser.run(
        "((width) => {"
        """
      for (const fold of document.querySelectorAll("details")) fold.open = true;
      const root = document.documentElement, wide = [];
      for (const item of document.querySelectorAll("body *")) {
        const box = item.getBoundingClientRect();
        if (box.right > width + 0.5 && !item.closest(".hidden"))
          wide.push(item.outerHTML.slice(0, 90));
      }
      const pictures = [...document.images].filter((i) => !i.complete || i.naturalWidth === 0);
      return {scroll: root.scrollWidth, height: root.scrollHeight,
        wide: wide.slice(0, 5), images: document.images.length, broken: pictures.length,
        text: parseFloat(getComputedStyle(document.body).fontSize)};
    }"""
        f")({width})"
    )
    return measured


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width, 800)
    browser.run("document.querySelectorAll('img').forEach((i) => { i.loading = 'eager'; })")
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    browser.wait("[...document.images].every((i) => i.complete)")
    measured = measure(browser, width)
    assert measured["scroll"] <= width, measured["wide"]
    assert measured["wide"] == []
    assert measured["height"] > 3000
    assert measured["text"] >= 16
    assert measured["images"] == 3 * (14 + 6 + 6)
    assert measured["broken"] == 0


def test_the_measurement_would_notice_a_page_that_is_too_wide(browser, tmp_path) -> None:
    page = tmp_path / "wide.html"
    page.write_text("<!doctype html><meta name=viewport content='width=device-width'>"
                    "<p style='width:600px'>wide</p><img src='data:,'>")  # fmt: skip
    browser.open(page, 390, 800)
    measured = measure(browser, 390)
    assert measured["scroll"] > 390
    assert len(measured["wide"]) == 1
    assert measured["broken"] == 1


def test_the_first_screen_says_conclusion_numbers_and_checks(browser, report, one) -> None:
    browser.open(report, 1280, 900)
    text = browser.run("document.querySelector('.conclusion').innerText")
    assert re.search(r"keeps 60\.0 %, 58\.1 points more than standard \[5\d\.\d, 6\d\.\d\]", text)
    assert "bad is not ranked: its number is not to be relied on (zero gradient)." in text
    below = "[...document.querySelectorAll('.glance *')].map(e => e.getBoundingClientRect().bottom)"
    assert browser.run(f"Math.max(...{below})") < 900
    said = browser.run("document.querySelector('.glance').innerText")
    for words in ("60.0 % [54.9, 64.9]", "95.0 %", "1 failed: zero gradient", "2 passed"):
        assert words in said
    browser.open(one, 1280, 800)
    assert browser.run(f"Math.max(...{below})") < 500
    assert "1 warned: loss scale" in browser.run("document.querySelector('.glance').innerText")


@pytest.mark.parametrize("width", [390, 1200])
def test_it_is_drawn_in_light_and_in_dark(browser, report, tmp_path, width) -> None:
    for dark in (False, True):
        browser.open(report, width, 1000, dark=dark)
        with Image.open(browser.picture(tmp_path / "shot.png")) as image:
            pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
        assert pixels.shape == (1000, width, 3)
        paper = pixels[:8].mean()
        assert (paper < 40) if dark else (paper > 240)
        assert len(np.unique(pixels @ (65536, 256, 1))) > 200  # text, charts, colors
        rows = np.ptp(pixels, axis=1).max(axis=1) > 60
        assert rows.mean() > 0.3  # something is drawn in a good part of the rows


def requests(browser: Browser) -> list[str]:
    """Return the addresses on the network that the page asked for."""
    asked = [e["params"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    urls = [event["request"]["url"] for event in asked]
    return [url for url in urls if not url.startswith(("file:", "data:"))]


def test_nothing_is_requested(browser: Browser, report: Path, tmp_path: Path) -> None:
    control = tmp_path / "control.html"
    control.write_text("<img src='http://127.0.0.1:9/picture.png'>")
    browser.open(control)
    assert requests(browser)
    browser.open(report)
    assert requests(browser) == []


def test_the_values_of_a_chart_are_read_by_pointer_and_by_arrow_keys(browser, report) -> None:
    browser.open(report)
    shown = "document.querySelector('.tip').hidden ? '' : document.querySelector('.tip').innerText"
    assert browser.run(shown) == ""
    browser.point(".overview .chart .mark[data-tip^=standard]")
    assert browser.run(shown).startswith("standard: clean 95.0 % [92.2, 96.8], not broken 1.9 %")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    assert browser.run(shown) == ""
    browser.run("document.querySelectorAll('.overview .chart')[1].focus()")
    browser.press("ArrowRight")
    first = browser.run(shown)
    for _ in range(3):
        browser.press("ArrowRight")
    assert first.endswith("at eps 0")
    assert browser.run(shown).endswith("at eps 0.05")
    browser.press("Escape")
    assert browser.run(shown) == ""
    browser.point("[aria-labelledby^=claim-1-training]")
    assert re.match(r"Epoch \d+: (clean|robust) \d+\.\d %", browser.run(shown))


def test_models_are_toggled_in_the_charts(browser: Browser, report: Path) -> None:
    browser.open(report)
    drawn = "[...document.querySelectorAll('.overview [data-series=\"0\"]:not(li)')]"
    drawn += ".map(part => getComputedStyle(part).display)"
    assert browser.run(drawn) == ["inline"] * 3  # whiskers, mark, curve
    browser.click(".legend .toggle")
    assert browser.run(drawn) == ["none"] * 3
    browser.press(" ")  # the button has the focus
    assert browser.run(drawn) == ["inline"] * 3


def test_tables_are_sorted_by_any_column(browser: Browser, report: Path, one: Path) -> None:
    browser.open(report)
    order = "[...document.querySelectorAll('.glance tbody tr')].map(r => r.innerText.slice(0, 3))"
    assert browser.run(order) == ["sta", "a_m", "bad"]
    browser.click(".glance thead th:nth-child(3) .sort")
    assert browser.run(order)[-1] == "sta"
    browser.press("Enter")
    assert browser.run(order)[0] == "sta"
    assert browser.run("document.querySelector('.glance [aria-sort]').ariaSort") == "ascending"
    browser.click(".glance thead th:nth-child(1) .sort")
    assert browser.run(order) == ["a_m", "bad", "sta"]
    browser.open(one)
    rows = "[...document.querySelectorAll('.classes tbody tr')].filter(r => r.checkVisibility())"
    assert browser.run(f"{rows}.length") == 10
    browser.click(".classes thead th:nth-child(1) .sort")
    names = browser.run(f"{rows}.map(r => r.cells[0].innerText.slice(0, 8))")
    assert names == list(CLASSES[:10])  # of all the classes, not of those that were open
    browser.click("button.more")
    assert browser.run(f"{rows}.length") == 30


def test_the_gallery_is_filtered_by_class_outcome_and_attack(browser: Browser, one: Path) -> None:
    browser.open(one)
    assert browser.run(SHOWN) == 12
    choose = "(() => {{ const s = document.querySelector('.filters label:nth-child({}) select');"
    choose += "s.selectedIndex = {}; s.dispatchEvent(new Event('change', {{bubbles: true}})) }})()"
    browser.run(choose.format(1, 1))
    assert browser.run(SHOWN) == 2  # one of them was folded
    assert browser.run("document.querySelector('.filters output').value") == "2 of 20"
    labels = "[...document.querySelectorAll('.gallery li')].filter(i => i.checkVisibility())"
    assert browser.run(f"[...new Set({labels}.map(i => i.dataset.label))].length") == 1
    browser.run(choose.format(1, 0))
    browser.run(choose.format(3, 1))
    attack = browser.run(f"[...new Set({labels}.map(i => i.dataset.attack))]")
    assert len(attack) == 1
    assert 0 < browser.run(SHOWN) < 20


def test_a_picture_is_enlarged_and_the_next_one_reached_by_keys(browser, one) -> None:
    browser.open(one)
    browser.click(".gallery button.triple")
    width = "document.querySelector('.viewer img')?.getBoundingClientRect().width"
    assert browser.run("document.querySelector('.viewer').open")
    assert browser.run(width) > 250
    first = browser.run("document.querySelectorAll('.viewer p')[1].innerText")
    browser.press("ArrowRight")
    second = browser.run("document.querySelectorAll('.viewer p')[1].innerText")
    assert first.startswith("#0,")
    assert second.startswith("#1,")
    browser.press("Escape")
    assert not browser.run("document.querySelector('.viewer').open")
    assert browser.run("document.activeElement.className") == "triple"


def test_every_control_is_reached_by_the_tab_key(browser: Browser, one: Path) -> None:
    browser.open(one)
    found = set()
    for _ in range(45):
        browser.press("Tab")
        here = "document.activeElement.getAttribute('class') || document.activeElement.tagName"
        found.add(browser.run(here))
    assert {"sort", "more", "SELECT", "triple", "SUMMARY", "chart"} <= found
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_without_script_all_is_there_and_no_control_is_dead(browser, one, report) -> None:
    for page in (one, report):
        browser.open(page, script=False)
        assert browser.run("document.querySelectorAll('button, select, dialog').length") == 0
        assert browser.run("document.querySelectorAll('[hidden], .beyond').length") == 0
        measured = measure(browser, 1280)
        assert measured["wide"] == []
        hidden = "[...document.querySelectorAll('main tr, main li')]"
        hidden += ".filter(e => !e.checkVisibility()).length"
        assert browser.run(hidden) == 0  # all folds are open: measure opened them


def test_it_moves_only_where_motion_is_wanted(browser: Browser, report: Path) -> None:
    moving = "getComputedStyle(document.querySelector('.toggle')).transitionDuration"
    browser.open(report)
    assert browser.run(moving) != "0s"
    browser.open(report, still=True)
    assert browser.run(moving) == "0s"


def test_on_paper_it_is_light_whole_and_without_controls(browser, one, tmp_path) -> None:
    browser.open(one, 700, 900, dark=True, media="print")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    folded = "[...document.querySelectorAll('details:not([open]) > :last-child')]"
    heights = browser.run(f"{folded}.map(e => e.getBoundingClientRect().height)")
    assert len(heights) >= 3
    assert min(heights) > 10
    assert browser.run(SHOWN) == 20
    controls = "[...document.querySelectorAll('.filters, button.more, .tip, .viewer')]"
    assert browser.run(f"{controls}.filter(e => e.checkVisibility()).length") == 0
    rows = "[...document.querySelectorAll('.classes tbody tr')].filter(r => r.checkVisibility())"
    assert browser.run(f"{rows}.length") == 30
    paper = browser.print(tmp_path / "report.pdf").read_bytes()
    assert paper.startswith(b"%PDF-")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 12


def test_names_that_users_gave_never_become_markup_or_script(browser, tmp_path) -> None:
    check = {"id": EVIL, "status": "warn", "message": EVIL, "remedy": EVIL}
    classes = (EVIL, *CLASSES)
    claims = [
        make_claim(tmp_path / f"{i}", name=EVIL, classes=classes, checks=[check], seed=i, gallery=9)
        for i in range(2)
    ]
    names = [f"{EVIL} {i}" for i in range(2)]
    browser.open(write_report(claims, tmp_path / "r.html", names))
    browser.run("document.querySelector('.overview .chart').focus()")
    browser.press("ArrowRight")
    assert "<img src=x" in browser.run("document.querySelector('.tip').innerText")
    browser.click(".glance .sort")
    browser.click(".classes .sort")
    browser.click(".legend .toggle")
    options = browser.run("[...document.querySelectorAll('.filters option')].map(o => o.innerText)")
    assert any("<img src=x" in option for option in options)
    browser.click(".gallery button.triple")
    assert browser.run("document.querySelector('.viewer').open")
    assert browser.run("typeof window.bad") == "undefined"
    assert browser.run("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
    assert requests(browser) == []
    assert [e for e in browser.events if e["method"] == "Runtime.exceptionThrown"] == []


def test_the_policy_runs_the_script_of_the_report_and_no_other(browser, one, tmp_path) -> None:
    page = tmp_path / "page.html"
    text = one.read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", "</main><script>window.bad = 1</script>"))
    browser.open(page)
    assert browser.run("typeof window.bad") == "undefined"
    assert browser.run("document.querySelectorAll('button').length") > 10
    refused = "(() => { try { document.body.innerHTML = '<b>x</b>'; return '' }"
    assert "TrustedHTML" in browser.run(refused + " catch (e) { return e.message } })()")
