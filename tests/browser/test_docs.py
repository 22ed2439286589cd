"""The documentation, opened as files: its search finds pages, and nothing is asked of a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from headless import IN_A_BROWSER, asked, chromium

pytestmark = IN_A_BROWSER
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of two small pages, with theme, plugins and scripts of the whole one."""
    build = pytest.importorskip("mkdocs.commands.build", reason="the extra `docs` is not installed")
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("docs")
    pages = folder / "docs"
    (pages / "below").mkdir(parents=True)
    (pages / "assets").symlink_to(ROOT / "docs" / "assets")
    (pages / "index.md").write_text("# Home\n\nNothing here.\n")
    (pages / "below" / "page.md").write_text("# Below\n\nAn albatross.\n")
    # Relative paths of the whole configuration hold from its own folder.
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    for left_out in ("hooks", "nav"):
        del settings[left_out]
    config = folder / "mkdocs.yml"
    config.write_text(yaml.safe_dump(settings))
    build.build(load_config(str(config)))
    return folder / "site"


def test_search_works_offline_when_the_pages_are_opened_as_files(site: Path) -> None:
    page, log = site / "below" / "page.html", site / "net.json"
    address = f"{page.as_uri()}?q=albatross"
    flags = ("--virtual-time-budget=5000", f"--log-net-log={log}", "--dump-dom")
    links = re.findall(r'href="([^"]+)" class="md-search-result__link"', chromium(*flags, address))
    assert [link.split("?")[0] for link in links] == [page.as_uri()]
    assert asked(log) == []
