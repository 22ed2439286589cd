"""The documentation, opened as files: its search finds pages, and its tables fit where they are."""

from __future__ import annotations

import html
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from headless import IN_A_BROWSER, asked, chromium

pytestmark = IN_A_BROWSER
ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WIDTHS = [390, 1280]  # a phone, and a laptop
# Every page in a frame of each width: what is wider than its place. A table of many figures may be:
# it scrolls in a box of its own.
PROBE = """<!doctype html><pre id="out"></pre><script>
const pages = {pages}, wide = [];
(async () => {{ for (const width of {widths}) for (const [name, text] of Object.entries(pages)) {{
  const frame = document.createElement("iframe");
  frame.width = width; frame.height = 2000; frame.style.border = 0; frame.srcdoc = text;
  const loaded = new Promise((resolve) => {{ frame.onload = resolve; }});
  document.body.append(frame);
  await loaded;
  const page = frame.contentDocument;
  if (page.documentElement.scrollWidth > width) wide.push([name, width, "page"]);
  for (const table of page.querySelectorAll(".md-content table")) {{
    const over = table.scrollWidth - table.clientWidth, place = table.closest("article");
    const beyond = table.getBoundingClientRect().right - place.getBoundingClientRect().right;
    const figures = table.closest(".admonition") || table.querySelectorAll("th").length >= 8;
    if (!figures && (over > 1 || beyond > 1))
      wide.push([name, width, table.textContent.trim().slice(0, 60)]);
  }}
  frame.remove();
}}
document.getElementById("out").textContent = JSON.stringify(wide);
}})();
</script>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of few pages, with theme, plugins, hooks and scripts of the whole one."""
    folder = tmp_path_factory.mktemp("docs")
    pages = folder / "docs"
    (pages / "below").mkdir(parents=True)
    (pages / "assets").symlink_to(DOCS / "assets")
    (pages / "index.md").write_text("# Home\n\nNothing here.\n")
    (pages / "below" / "page.md").write_text("# Below\n\nAn albatross.\n")
    (pages / "tables.md").write_text(f"# Tables\n\n{tables()}\n")
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    del settings["nav"]
    settings["hooks"] = [str(DOCS / "hooks.py")]
    return build(settings, folder)


def build(settings: dict[str, Any], folder: Path) -> Path:
    """Build the site of a configuration into a folder and return where it lies."""
    command = pytest.importorskip("mkdocs.commands.build", reason="no extra `docs` here")
    pytest.importorskip("latex2mathml", reason="no extra `docs` here")
    from mkdocs.config import load_config

    config = folder / "mkdocs.yml"
    config.write_text(yaml.safe_dump({**settings, "site_dir": str(folder / "site")}))
    command.build(load_config(str(config)))
    return folder / "site"


def tables() -> str:
    """Return the tables that are made from the code, without their links."""
    sys.path.insert(0, str(DOCS))
    try:
        import families
        import generate
    finally:
        sys.path.remove(str(DOCS))
    generate.load_all()
    parts = [families.attacks(), families.capabilities(), generate.suites()]
    parts += [generate.components(kind) for kind in ("space", "loss", "method", "network")]
    parts += [generate.fields("attack", name) for name in ("pgd", "reinforce", "place_search")]
    return re.sub(r"\[(.+?)\]\([^)]+\)", r"\1", "\n\n".join(parts))


def too_wide(site: Path, pages: list[Path], folder: Path) -> list[Any]:
    """Return what of some pages is wider than a phone or a laptop."""
    texts = {}
    for page in pages:
        text = re.sub(r"<script\b.*?</script>", "", page.read_text("utf-8"), flags=re.DOTALL)
        text = text.replace("<head>", f'<head><base href="{page.as_uri()}">', 1)
        texts[page.relative_to(site).as_posix()] = text
    probe = folder / "probe.html"
    held = json.dumps(texts).replace("</", "<\\/")
    probe.write_text(PROBE.format(pages=held, widths=WIDTHS), encoding="utf-8")
    flags = ("--allow-file-access-from-files", "--virtual-time-budget=600000", "--dump-dom")
    found = re.search(r'<pre id="out">(.+?)</pre>', chromium(*flags, probe.as_uri()), re.DOTALL)
    assert found is not None
    wide: list[Any] = json.loads(html.unescape(found[1]))
    return wide


def test_search_works_offline_when_the_pages_are_opened_as_files(site: Path) -> None:
    page, log = site / "below" / "page.html", site / "net.json"
    address = f"{page.as_uri()}?q=albatross"
    flags = ("--virtual-time-budget=5000", f"--log-net-log={log}", "--dump-dom")
    links = re.findall(r'href="([^"]+)" class="md-search-result__link"', chromium(*flags, address))
    assert [link.split("?")[0] for link in links] == [page.as_uri()]
    assert asked(log) == []


def test_tables_made_from_the_code_fit_a_laptop_and_a_phone(site: Path, tmp_path: Path) -> None:
    assert too_wide(site, [site / "tables.html"], tmp_path) == []


@pytest.mark.slow
def test_every_page_fits_a_laptop_and_a_phone(tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    settings |= {"docs_dir": str(DOCS), "hooks": [str(DOCS / "hooks.py")]}
    site = build(settings, tmp_path)
    pages = sorted(page for page in site.rglob("*.html") if page.name != "404.html")
    assert len(pages) > 100
    assert too_wide(site, pages, tmp_path) == []
