"""The document of a claim states what may be published, not what only its author knows."""

from __future__ import annotations

import sys

import pytest

from holdfast.reporting import to_html, to_markdown


@pytest.mark.parametrize(
    "argv",
    [
        ["/home/me/train.py", "--password", "hunter2"],
        ["/usr/bin/holdfast", "evaluate", "--data", "https://me:hunter2@h/d", "--n", "8"],
    ],
)
def test_no_credential_of_the_command_line_is_in_a_claim(run, monkeypatch, argv):
    monkeypatch.setattr(sys, "argv", argv)
    claim = run(n=8)
    texts = (str(claim.document), to_html([claim]), to_markdown([claim]))
    assert not any("hunter2" in text for text in texts)
    assert claim.document["command"] in texts[1].replace("&#39;", "'")
