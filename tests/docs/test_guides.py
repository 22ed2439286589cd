"""Guides quote what a snippet prints: each is run, and what it prints now is compared."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from holdfast.evaluation import get_suite

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDES = {"coming-from": 2, "duration": 0, "too-high": 5, "wrong-numbers": 12}  # outputs shown
PAGES = ("evaluation", "models", "too-high")


def _load(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


run = _load("run")


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_shows_what_its_snippets_print(name):
    page = DOCS / "guides" / f"{name}.md"
    quoted = 0
    for snippet in run.run(page):
        again = f"python docs/run.py docs/guides/{name}.md writes this into the page"
        if snippet.shown is not None:
            quoted += 1
            assert run.same(snippet.shown, snippet.printed), f"{again}:\n{snippet.printed}"
    assert quoted == GUIDES[name]


def test_the_passes_of_a_suite_are_those_that_the_guide_multiplies_with():
    members = get_suite("standard").parts(10)
    passes = sum(sum(member.attack.passes()) for member in members)
    assert f"1000 * {passes} * " in (DOCS / "guides" / "duration.md").read_text("utf-8")


def test_every_check_has_a_row_that_says_what_to_do():
    guides = {name: (DOCS / "guides" / f"{name}.md").read_text("utf-8") for name in PAGES}
    listed = "".join(re.findall(r"^\| [A-Z].*", guides["too-high"], re.MULTILINE))
    ids = re.findall(r"^\| `([a-z-]+)` \|", guides["evaluation"] + guides["models"], re.MULTILINE)
    assert len(ids) > 12
    assert [name for name in ids if name.upper().replace("-", " ") not in listed] == []


def test_every_name_of_another_library_has_a_row_that_leads_to_a_page(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))  # it imports what lies beside it
    translations = _load("translations")
    text = (DOCS / "guides" / "coming-from.md").read_text("utf-8")
    asked = re.findall(r"<!-- translations: (\S+) -->", text)
    tables = "\n".join(translations.table(name, "guides/coming-from.md") for name in asked)
    for row in translations.rows():
        assert f"| `{row.theirs}` |" in tables, row
    for page in set(re.findall(r"\]\(([^)]+)\)", tables)):
        assert (DOCS / "guides" / page).is_file(), page


def test_outputs_are_compared_by_words_and_near_numbers():
    assert run.same("26.5 % of 359 (3ec688278354)\n points", "26.7 % of 359 (0123456789ab) points")
    assert not run.same("26.5 % broken", "36.5 % broken")
    assert not run.same("26.5 % broken", "26.5 % not broken")
    assert not run.same("eps=0.1", "eps=0.2")
