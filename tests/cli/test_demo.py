"""The demo: small here, whole in the slow tests."""

from __future__ import annotations

import dataclasses

import pytest

from holdfast.attacks import PGD
from holdfast.evaluation import QUICK_1
from holdfast.recipes import demo
from holdfast.training import Madry


@pytest.fixture
def small(monkeypatch):
    """One epoch each, a small suite: the third network misses its figure."""
    entries = tuple(
        dataclasses.replace(
            entry,
            epochs=1,
            method=Madry(attack=PGD(steps=1)) if entry.least else entry.method,
        )
        for entry in demo.ENTRIES
    )
    monkeypatch.setattr(demo, "ENTRIES", entries)
    evaluate = demo.api.evaluate
    monkeypatch.setattr(
        demo.api, "evaluate", lambda *a, **k: evaluate(*a, **{**k, "suite": QUICK_1, "n": 40})
    )


def test_the_demo_fails_when_its_figures_are_missed(holdfast, small, tmp_path):
    ran = holdfast("demo", "--out", "demo")
    assert ran.status == 1
    assert ran.err.count("\n") == 1
    assert "adversarial: " in ran.err
    assert "expected 55% or more" in ran.err
    assert (tmp_path / "demo" / "report.html").is_file()
    assert {"standard", "noise-augmented", "adversarial"} == {
        folder.name for folder in (tmp_path / "demo" / "claims").iterdir()
    }
    assert "re-checked" in ran.out


@pytest.mark.slow
def test_the_whole_demo(holdfast):
    ran = holdfast("demo")
    assert ran.status == 0, ran.err
    again = holdfast("demo", "--quiet")
    assert again.status == 0
    assert again.out == ""
