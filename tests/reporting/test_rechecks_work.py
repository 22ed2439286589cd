"""What a report prints to re-check a claim does so, in the folder where it was printed."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import holdfast as hf
from holdfast.evaluation import Member
from holdfast.reporting import print_terminal, to_html, to_markdown, view
from holdfast.reporting.recheck_command import FUNCTION, Recheck
from printed import few_digits, make_onnx, next_line, run_line, run_python
from tiny import own_network

THREAT = hf.ThreatModel(hf.Linf(eps=0.1))
PLAN = hf.TrainPlan(epochs=1, batch_size=16)
SUITE = hf.Suite(name="own", members=(Member(name="fgsm", attack=hf.attacks.FGSM()),))
BLIND = hf.Suite(name="own", members=(Member(name="square", attack=hf.attacks.Square(queries=20)),))
CODE = (
    "import holdfast as hf\n"
    "from tiny import own_network, probabilities\n"
    "def normalized():\n    return hf.wrap(own_network(), normalize=(0.3, 0.4))\n"
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's folder: a set of digits and a module with networks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_DATA", raising=False)
    np.savez("some.npz", **few_digits())
    Path("reader_s.py").write_text(CODE)
    return tmp_path


def evaluated(model: Any, data: Any = "some.npz", **options: Any) -> Recheck:
    """Evaluate in Python and return what the report of that claim prints."""
    options = {"threat": THREAT, "suite": SUITE, "quiet": True, **options}
    return printed_for(hf.evaluate(model, data, out="claims/a b", **options))


def printed_for(claim: hf.Claim) -> Recheck:
    """Return what all three forms of a report print, so that it can be copied from each."""
    found = view([claim]).claims[0].recheck
    terminal = io.StringIO()
    print_terminal([claim], Console(file=terminal, width=40))
    for form in (terminal.getvalue(), to_markdown([claim])):
        assert f"\n{found.text}\n" in form
    escaped = found.text.replace("'", "&#39;").replace(">", "&gt;")
    assert f"<code>{escaped}</code>" in to_html([claim])
    return found


def trained(network: Any, data: Any = "some.npz", **options: Any) -> hf.TrainResult:
    options = {"threat": THREAT, "method": hf.Standard(), "plan": PLAN, "quiet": True, **options}
    return hf.train(network, data, out="runs/a", **options)


def filled(line: str, function: str) -> str:
    assert line.count(FUNCTION) == 1
    return line.replace(FUNCTION, function)


@pytest.mark.parametrize("data", ["digits", "some.npz", "./some.npz", "set"])
def test_what_train_and_evaluate_print_leads_to_a_verified_claim(data, here, capsys, monkeypatch):
    if data == "set":
        (here / "sets").mkdir()
        shutil.move("some.npz", "sets/set.npz")
        monkeypatch.setenv("HOLDFAST_DATA", "sets")
    run_line(
        f"holdfast train --model mlp --data {data} --threat linf:0.1 --out 'runs/a b' "
        "--set method=standard --set plan.epochs=1 --set plan.batch_size=16"
    )
    line = next_line(capsys.readouterr().out)
    assert ("--data" in line) == (data == "./some.npz")
    run_line(f"{line} --suite quick --n 6")
    run_line(next_line(capsys.readouterr().out))
    found = printed_for(hf.Claim.load("claims/a b"))
    assert found.shell.startswith(f"holdfast verify 'claims/a b' --model 'runs/a b' --data {data}")
    run_line(found.shell)
    assert ("HOLDFAST_DATA must name the folder" in found.note) == (data == "set")


def test_a_network_of_one_s_own_trained_here_is_named_with_its_run(capsys):
    run_line(
        "holdfast train --model reader_s:own_network --data some.npz --threat linf:0.1 "
        "--out runs/a --set method=standard --set plan.epochs=1 --set plan.batch_size=16"
    )
    line = next_line(capsys.readouterr().out)
    assert line.endswith("--model reader_s:own_network --weights runs/a --out claims/a")
    run_line(f"{line} --suite quick --n 6")
    found = printed_for(hf.Claim.load("claims/a"))
    assert "--weights runs/a" in found.shell
    run_line(filled(found.shell, "reader_s:own_network"))


def test_also_from_python_and_of_the_last_epoch():
    trained(own_network(), normalize=(0.3, 0.4))
    found = evaluated(hf.load("runs/a/last", network=own_network()))
    run_line(filled(found.shell, "reader_s:own_network"))
    assert "--weights runs/a/last" in found.shell


def test_the_last_epoch_of_a_network_of_ours(capsys):
    trained("mlp", plan=hf.TrainPlan(epochs=3, batch_size=16))
    found = evaluated(hf.load("runs/a/last"), "some.npz:train", n=6, eps=[0.01])
    assert found.shell.endswith("--model runs/a/last --data some.npz:train")
    run_line(found.shell)
    run_line("holdfast verify 'claims/a b'")


@pytest.mark.parametrize("function", ["probabilities", "normalized"])
def test_a_network_of_one_s_own_and_its_weights(function, capsys):
    inner = own_network()
    torch.save(inner.state_dict(), "w.pt")
    weights, said = ("w.pt", "") if function == "normalized" else ("", "--outputs probabilities")
    words = f"--weights {weights}" if weights else said
    run_line(
        f"holdfast attack --model reader_s:{function} {words} --data some.npz --threat linf:0.1 "
        "--attack fgsm"
    )
    run_line(f"{next_line(capsys.readouterr().out)} --suite quick --n 6")
    line = printed_for(hf.Claim.load(f"claims/{'w' if weights else function}")).shell
    assert ("--weights w.pt" in line) == bool(weights)
    run_line(filled(line, f"reader_s:{function}"))


def test_what_lives_in_python_is_supplied_there():
    x, y = (torch.from_numpy(few_digits()[name]) for name in ("x_test", "y_test"))
    network = hf.wrap(own_network(), normalize=(0.3, 0.4))
    found = evaluated(network, (x[:, None], y))
    assert "the network Sequential" in found.text
    assert "normalize=(mean, std)" in found.text
    run_python(found.text, {"model": network, "data": (x[:, None], y)})


def test_a_run_is_loaded_where_the_data_live_in_python():
    x, y = (torch.from_numpy(few_digits()[name]) for name in ("x_train", "y_train"))
    trained(own_network(), (x[:, None], y))
    found = evaluated(hf.load("runs/a", network=own_network()), (x[:, None], y), n=6)
    run_python(found.text, {"network": own_network(), "data": (x[:, None], y)})
    with pytest.raises(hf.InputError):
        run_python(found.text.replace(" = ...", " = None"))


def test_a_classifier_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    arrays = few_digits()
    flat = arrays["x_train"].reshape(60, -1)
    model = LogisticRegression().fit(flat, arrays["y_train"])
    found = evaluated(
        model, suite=BLIND, threat=hf.ThreatModel(hf.Linf(eps=0.1), knowledge="score")
    )
    assert "# the scikit-learn classifier LogisticRegression, fitted as it was" in found.text
    assert "data = 'some.npz'" in found.text
    run_python(found.text, {"model": model})


def test_an_onnx_file(capsys):
    make_onnx(Path("net.onnx"))
    score = hf.ThreatModel(hf.Linf(eps=0.1), knowledge="score")
    found = evaluated(hf.wrap("net.onnx", outputs="logits"), suite=BLIND, threat=score)
    assert found.shell.endswith("--model net.onnx --data some.npz")
    run_line(found.shell)


def test_a_search_model_is_named_like_a_model(capsys):
    trained("mlp")
    found = evaluated(own_network(), surrogate=hf.load("runs/a"), n=6)
    assert "surrogate = hf.load('runs/a')" in found.text
    run_python(found.text, {"model": own_network()})
    shutil.rmtree("claims")
    found = evaluated(hf.load("runs/a"), surrogate=hf.load("runs/a"), n=6)
    assert found.shell.endswith("--surrogate runs/a")
    run_line(found.shell)
    shutil.rmtree("claims")
    found = evaluated(hf.load("runs/a"), surrogate=own_network(), n=6)
    assert "needs the surrogate as well" in found.note
    run_line(found.shell)


def test_a_path_that_leads_nowhere_from_here_is_said(here, monkeypatch):
    trained("mlp")
    evaluated(hf.load("runs/a"), n=6)
    assert "not found" not in view([hf.Claim.load("claims/a b")]).claims[0].recheck.note
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    note = view([hf.Claim.load("../claims/a b")]).claims[0].recheck.note
    assert "runs/a was not found from there" in note
    assert "some.npz was not found from there" in note
