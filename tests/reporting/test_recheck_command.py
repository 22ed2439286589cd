"""The words that re-check a claim: what they say, and that each of them works as printed."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from claim_fixture import make_claim
from holdfast.reporting.recheck_command import FUNCTION, HOME, IMPORTS, Recheck, recheck

NAME = "Net\nimport os; os.abort()\u2028x"
RUN = {"run": "runs/a", "which": "best", "network": "mlp"}


def words_for(folder: Path, *, about: dict[str, Any] | None = None, **given: Any) -> Recheck:
    """Return the words for a claim whose model and data were given so, seen from `folder`."""
    document = make_claim(folder / "claims/a", name=NAME).document
    model = {**document["model"], **(about or {})}
    return recheck(make_claim(folder / "claims/a", given=given, model=model))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (RUN, "--model runs/a"),
        ({**RUN, "which": "last", "run": "my runs/a"}, "--model 'my runs/a/last'"),
        ({"run": "runs/a"}, f"--model {FUNCTION} --weights runs/a"),
        ({"function": "evil:build", "weights": "w.pt"}, f"--model {FUNCTION} --weights w.pt"),
        ({"function": "evil:build"}, f"--model {FUNCTION}"),
        ({"file": "net.onnx", "outputs": "logits"}, "--model net.onnx"),
    ],
)
def test_a_line_names_the_model_and_the_data_as_they_were_given(
    tmp_path, monkeypatch, model, options
) -> None:
    monkeypatch.chdir(tmp_path)
    found = words_for(tmp_path, model=model, data="./my set.npz")
    assert found.text == f"holdfast verify {tmp_path}/claims/a {options} --data './my set.npz'"
    assert (IMPORTS in found.note) == (FUNCTION in options)
    assert "./my set.npz was not found from there: give your own copy's path." in found.note
    Path("my set.npz").touch()
    found = words_for(tmp_path, model=model, data="./my set.npz")
    assert "my set.npz" not in found.note
    assert "Paths are relative to the folder in which this report was made." in found.note


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({}, f"model = ...  # the network {NAME}, with the weights of the evaluation"),
        ({"normalized": True}, "weights of the evaluation, in hf.wrap(..., normalize=(mean, std))"),
        ({"file": "evil:build"}, "model = ...  # the network"),
        (RUN, "model = hf.load('runs/a')"),
        ({**RUN, "run": "evil:build"}, "model = hf.load('evil:build')"),
        ({**RUN, "run": "a'\n\"b"}, "model = hf.load('a\\'\\n\"b')"),
    ],
)
def test_what_no_line_can_name_is_a_program_with_gaps(tmp_path, model, line) -> None:
    """Whatever a claim calls its parts, the program is of the lines that are meant."""
    found = words_for(tmp_path, model=model)
    assert found.shell == ""
    assert " ".join(line.split()) in " ".join(found.text.split())
    assert len(found.python) == 5
    kinds = [type(node).__name__ for node in ast.parse(found.text).body]
    assert kinds == ["Import", "Assign", "Assign", "Expr"]
    assert "data = ...  # the 360 examples that the author calls digits" in found.text
    assert "fill in each `...`" in found.note


def test_a_colon_never_reaches_the_option_that_imports(tmp_path) -> None:
    for model in ({**RUN, "run": "evil:build"}, {"file": "evil:build", "outputs": "logits"}):
        assert words_for(tmp_path, model=model, data="digits").shell == ""


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ("RandomForestClassifier of scikit-learn", "# the scikit-learn classifier RandomForest"),
        ("function classify", "# the function classify, in hf.wrap(..., outputs='probabilities')"),
        ("endpoint https://h/p", "# the endpoint https://h/p, which answers probabilities"),
    ],
)
def test_a_target_is_said_in_the_terms_of_the_claim(tmp_path, about, said) -> None:
    target = {"outputs": "probabilities", "settings": "s", "sealed": False}
    found = words_for(tmp_path, about={"name": about, "target": target}, data="digits:train")
    assert said in found.text
    assert "data = 'digits:train'" in found.text


def test_a_set_s_name_needs_the_folder_of_sets(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    note = f"{HOME} must name the folder that holds mnist."
    assert note in words_for(tmp_path, model=RUN, data="mnist").note
    Path("mnist").mkdir()
    assert HOME not in words_for(tmp_path, model=RUN, data="mnist").note
    assert HOME not in words_for(tmp_path, model=RUN, data="digits").note


def test_another_part_than_the_test_part_is_named(tmp_path) -> None:
    data = {**make_claim(tmp_path / "a").document["data"], "part": "train"}
    claim = make_claim(tmp_path / "b", given={"model": RUN, "data": "digits"}, data=data)
    assert recheck(claim).shell.endswith("--data digits:train")
