"""`holdfast list NAME` for everything: fields, meanings, and lines that work as printed."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest
import yaml

import holdfast as hf
from components import load_all
from holdfast import reference
from holdfast.cli import detail, listing, subject, verbs
from holdfast.components import build, describe, known

load_all()
NAMED = [
    pytest.param(kind, name, id=f"{kind}-{name}")
    for kind in listing.KINDS
    if kind not in listing.READ
    for name in known(kind)
]


def rows(kind, name):
    (found,) = (each for each in detail.find(name) if each.kind == kind)
    return found, dict(detail.usage(found))


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_the_printed_lines_make_the_same_component(kind, name, monkeypatch, holdfast):
    found, written = rows(kind, name)
    if kind == "suite":
        assert written["YAML"] == f"suite: {name}"
    else:
        made = eval(written["Python"], {"hf": hf, "holdfast": hf})
        assert isinstance(made, found.component)
        plain = yaml.safe_load(written["YAML"])
        while plain.get("type") != name:
            (inner,) = (value for value in plain.values() if isinstance(value, dict))
            plain = inner
        assert build(kind, plain) == made

    def configured(command):
        return lambda recipe, given, changes, **_: seen.append(
            subject.configuration(command, recipe, given, changes)
        )

    seen: list[object] = []
    for verb in ("train", "attack", "evaluate"):
        monkeypatch.setattr(verbs, verb, configured(verb))
    words = shlex.split(written["shell"])
    assert words[0] == "holdfast"
    assert holdfast(*words[1:]).err == ""
    assert name.rpartition("-")[0] in str(describe(seen[0]))


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_every_field_has_a_meaning(kind, name):
    cls = known(kind)[name]
    if isinstance(cls, type):
        fields = reference.fields(cls)
        assert [field.name for field in fields] == [f.name for f in dataclasses.fields(cls)]
        assert all(field.meaning and field.type for field in fields), fields


def test_a_component_in_full(holdfast):
    ran = holdfast("list", "PGD")
    assert ran.status == 0
    for part in (
        "arXiv:1706.06083", "gradients (white box)", "steps + 1 forward", "every set",
        "int, at least 1", "default 40", "fraction of the radius", "hf.attacks.PGD(steps=40)",
        "attack: {type: pgd, steps: 40}", "--attack pgd --set attack.steps=40",
    ):  # fmt: skip
        assert part in ran.out
    assert "works in    Linf and L2" in holdfast("list", "bandits").out
    assert "required" in holdfast("list", "l2").out
    both = holdfast("list", "standard").out
    assert "standard  (method)" in both
    assert "standard-1  (suite)" in both
    assert "plan:" in holdfast("list", "digits_linf").out
    assert "1,797 handwritten digits" in holdfast("list", "digits").out
    assert "gaussian" in holdfast("list", "start").out


def test_the_guide_shows_what_is_printed(holdfast, monkeypatch):
    monkeypatch.setenv("COLUMNS", "92")
    guide = (Path(__file__).parents[2] / "docs/guides/command-line.md").read_text("utf-8")
    lines = (line.rstrip() for line in holdfast("list", "apgd").out.strip().splitlines())
    assert "$ holdfast list apgd\n" + "\n".join(lines) + "\n```" in guide


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pgdd", "did you mean pgd (attack), apgd (attack)"),
        ("linff", "did you mean linf (space)"),
        ("trade", "did you mean trades (method)"),
        ("autoattack", "corresponds to the suite 'standard'"),
        ("qqqqqq", "holdfast list names all"),
    ],
)
def test_an_unknown_name_gets_the_nearest_of_every_kind(holdfast, name, words):
    ran = holdfast("list", name)
    assert ran.status == 2
    assert ran.err.startswith(f"error: nothing is called {name!r}")
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_a_range_is_what_the_component_refuses():
    said = {
        (cls, f.name): f.range
        for cls in (hf.attacks.PGD, hf.SGD, hf.MTLIBP, hf.TrainPlan, hf.Linf)
        for f in reference.fields(cls)
    }
    assert said[hf.attacks.PGD, "steps"] == "at least 1"
    assert said[hf.attacks.PGD, "step_size"] == "above 0"
    assert said[hf.SGD, "lr"] == "above 0"
    assert said[hf.SGD, "momentum"] == "in [0, 1)"
    assert said[hf.MTLIBP, "weight"] == "in (0, 1]"
    assert said[hf.TrainPlan, "batch_size"] == "at least 1"
    assert said[hf.Linf, "eps"] == "in (0, 1]"
    assert said[hf.SGD, "nesterov"] == ""
