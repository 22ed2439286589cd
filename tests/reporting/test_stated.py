"""What verify proves stands apart from what it takes on the author's word."""

from __future__ import annotations

import html
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from claim_fixture import TRAINING, make_claim
from holdfast.claims import Claim
from holdfast.reporting import print_terminal, to_html, to_markdown
from holdfast.reporting.view import CHECKED, STATED

WORD = "my-word-for-it"
CHECK = {"id": "loss-scale", "status": "pass", "message": f"message-{WORD}", "remedy": "remedy"}
OURS = ("Not broken", "By class", "Counterexamples", "c3" * 32, "Linf eps=0.2", "holdfast verify")
THEIRS = (
    *(f"message-{WORD}", f"run-{WORD}", f"method-{WORD}", f"machine-{WORD}", f"data-{WORD}"),
    *(f"command-{WORD}", "2026-07-01", "12 min 59 s", "best", "Cost", "Environment", "Training"),
)


@pytest.fixture(scope="module")
def claim(tmp_path_factory: pytest.TempPathFactory) -> Claim:
    folder = tmp_path_factory.mktemp("claims") / "c"
    document = make_claim(folder).document
    training = {**TRAINING, "run": f"run-{WORD}", "method": {"type": f"method-{WORD}"}}
    return make_claim(
        folder,
        checks=[CHECK],
        training=training,
        environment={"machine": f"machine-{WORD}"},
        data={**document["data"], "name": f"data-{WORD}"},
        command=f"command-{WORD}",
        cost={**document["cost"], "seconds": 779.0},
    )


def in_terminal(claim: Claim) -> str:
    file = io.StringIO()
    print_terminal([claim], Console(file=file, width=200, color_system=None))
    return file.getvalue()


def in_html(claim: Claim) -> str:
    page = re.sub(r"<(style|script)>.*?</\1>", "", to_html([claim]), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def in_markdown(claim: Claim) -> str:
    return to_markdown([claim]).replace("\\", "")


@pytest.mark.parametrize("render", [in_html, in_markdown, in_terminal])
def test_each_report_has_two_parts_and_everything_is_in_its_own(claim, render) -> None:
    _, _, after = render(claim).lower().partition(CHECKED.lower())
    checked, _, stated = after.partition(STATED.lower())
    for text in OURS:
        assert text.lower() in checked, text
    for text in THEIRS:
        assert text.lower() in stated, text
    own = re.sub(r"holdfast verify .*", "", checked)  # names the run and the data to check with
    assert WORD not in own


@pytest.mark.parametrize("render", [in_html, in_markdown])
def test_a_name_is_said_to_be_the_author_s_and_stands_with_the_digest(claim, render) -> None:
    before, _, _ = render(claim).partition(CHECKED)
    assert "as its author calls it" in before
    assert claim.document["model"]["digest"][:12] in before


def test_a_signature_is_shown_as_what_it_says_of_itself(tmp_path: Path) -> None:
    claim = make_claim(tmp_path, n=20)
    assert "Signed | no" in in_markdown(claim)
    signature = {"schema": "holdfast-signature-1", "claim": claim.document["digest"]}
    signature |= {"public_key": "ab" * 32, "signer": "Jane", "signed": "2026-07-02"}
    signature["signature"] = "cd" * 64
    (tmp_path / "signature.json").write_text(json.dumps(signature))
    stated = in_markdown(claim).partition(STATED)[2]
    assert "signed as 'Jane' on 2026-07-02 by key SHA256:" in stated
    assert "not checked here" in stated
