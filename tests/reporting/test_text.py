from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from claim_fixture import make_claim
from holdfast.claims import Claim
from holdfast.reporting import print_terminal, to_markdown


def printed(claims: list[Claim], width: int = 120) -> str:
    file = io.StringIO()
    print_terminal(claims, Console(file=file, width=width, color_system=None))
    return file.getvalue()


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> list[Claim]:
    folder = tmp_path_factory.mktemp("claims")
    return [
        make_claim(folder / "a", name="standard", robust=0.02, seed=1),
        make_claim(folder / "b", name="adversarial", robust=0.62, seed=2),
    ]


PARTS = (
    *("Security curve", "Attack waterfall", "By class", "Counterexamples", "Training", "Checks"),
    *("Cost", "What was evaluated", "Threat model", "Attacks", "Environment", "Digests"),
    *("Check it yourself", "holdfast verify", "apgd-margin", "61.9 %", "UPPER bound", "41.7 s"),
)


@pytest.mark.parametrize("part", PARTS)
def test_markdown_and_terminal_say_all_that_html_says(claims: list[Claim], part: str) -> None:
    assert part in to_markdown(claims)
    assert part in " ".join(printed(claims).split())


def test_the_sentence_is_printed_whole(claims: list[Claim]) -> None:
    text = " ".join(printed(claims).split())
    assert all(str(claim) in text for claim in claims)


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    evil = "[red]x|`y`*z*<b>\n# top"
    claim = make_claim(tmp_path, name=evil, classes=(evil, *"123456789"))
    text = printed([claim])
    assert "[red]x|`y`*z*<b>" in text
    markdown = to_markdown([claim])
    assert "\n# top" not in markdown
    prose = markdown.partition("```")[0]
    assert "<b" not in prose.replace("\\<b", "")
    row = next(line for line in markdown.splitlines() if "x\\|" in line and line.startswith("|"))
    assert row.replace("\\|", "").count("|") == 8  # seven cells


def test_markdown_tables_have_the_same_number_of_cells_everywhere(claims: list[Claim]) -> None:
    width = 0
    for line in to_markdown(claims).splitlines():
        cells = line.replace("\\|", "").count("|")
        if not line.startswith("|"):
            width = 0
        elif width == 0:
            width = cells
        assert cells in (0, width)


def test_a_command_with_backticks_stays_in_its_block(tmp_path: Path) -> None:
    given = {"model": {"run": "```", "network": "mlp"}, "data": "d"}
    assert "````\nholdfast verify" in to_markdown([make_claim(tmp_path, given=given)])


def test_conclusion_checks_and_differences_come_first(claims: list[Claim]) -> None:
    told = "adversarial keeps 61.9 %, 60.0 points more than standard"
    for shown in (to_markdown(claims), printed(claims, width=160)):
        text = " ".join(shown.replace("\\", "").split())
        places = [text.index(words) for words in (told, "1 warned: loss scale", "Differences")]
        assert places == sorted(places)
        assert places[-1] < text.index("What holdfast verify checks")
        assert "told apart, p < 0.001" in text
        assert "McNemar's exact test." in text  # one comparison: nothing to correct for


def test_the_reader_s_names_stand_everywhere(claims: list[Claim]) -> None:
    file = io.StringIO()
    names = ["the baseline", "ours"]
    print_terminal(claims, Console(file=file, width=160, color_system=None), names)
    for text in (to_markdown(claims, names), " ".join(file.getvalue().split())):
        assert "ours keeps 61.9 %, 60.0 points more than the baseline" in text
        assert "its author calls it adversarial" in text
        assert "named for this report" in text


def test_differences_and_verdicts_are_said(tmp_path: Path) -> None:
    fail = {"id": "transfer", "status": "fail", "message": "m", "remedy": "r"}
    found = [
        make_claim(tmp_path / "a", n=1000, checks=[fail]),
        make_claim(tmp_path / "b", n=1000, failed=20, eps="0.1"),
    ]
    for text in (to_markdown(found), " ".join(printed(found, width=160).split())):
        assert "must not be ranked" in text
        assert "unreliable: at most 60.0 %" in text
        assert "withheld: at most 62.0 %" in text


def test_a_narrow_terminal_loses_nothing_that_matters(claims: list[Claim]) -> None:
    text = printed(claims, width=60)
    to_copy = "holdfast verify "  # a line that is broken could not be copied
    assert max(len(line) for line in text.splitlines() if not line.startswith(to_copy)) <= 60
    assert "apgd-margin" in text
