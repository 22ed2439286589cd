"""Every benchmark of this folder's questions runs in its smallest setting."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.runtime import threads

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("torchattacks", "foolbox", "art", "cleverhans")


def as_main(script: Path) -> None:
    """Run a script to its end, which is no error."""
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code:
            pytest.fail(f"{script.name} ended with {end.code}")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a benchmark in its smallest setting, in this process; return its result file."""
    folder, modules = ROOT / "benchmarks", set(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])  # scripts put folders there
    monkeypatch.setattr("holdfast.malloc.hold_memory", lambda: False)  # of the process, for good
    monkeypatch.chdir(tmp_path)

    def run_one(script: str, *arguments: str) -> dict[str, Any]:
        out = tmp_path / "result.json"
        monkeypatch.setattr(sys, "path", [str((folder / script).parent), *sys.path])
        monkeypatch.setattr(sys, "argv", [script, "--smoke", "--out", str(out), *arguments])
        with threads(None):
            as_main(folder / script)
        result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        assert out.with_suffix(".md").read_text(encoding="utf-8") in capsys.readouterr().out
        assert result["environment"]["torch"]
        assert result["environment"]["threads"] >= 1
        return result

    yield run_one
    for name in set(sys.modules) - modules:  # helpers beside a script: others are called alike
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_attack_step(run):
    result = run("speed/attack_step.py")
    assert {row["kind"] for row in result["rows"]} == {"training", "evaluation"}
    assert all(row["ratio"] > 0 for row in result["rows"])


def test_first_figures(run):
    rows = {row["attack"]: row for row in run("attacks/first_figures.py")["rows"]}
    assert rows["fgsm"]["forward"] == 2
    assert rows["mifgsm"]["knowledge"] == "transfer"
    assert rows["ddn"]["set"] == "L2(eps=0.5)"


def test_own_loop(run):
    rows = run("speed/own_loop.py")["rows"]
    works = {"by hand", "hf.perturb", "by hand, last point scored", "hf.attack"}
    assert {row["work"] for row in rows} == works
    assert all(row["ratio"] > 0 for row in rows)


def test_lines(run):
    result = run("structure/lines.py")
    rows = {row["library"]: row for row in result["rows"]}
    assert {*rows, *result["not_run"]} >= {"holdfast", "holdfast, search", "adv-lib", "foolbox"}
    search, call = rows["holdfast, search"], rows["holdfast"]
    assert 0 < search["distinct_per_step"] < search["distinct_per_call"] < call["distinct_per_call"]
    assert 0 < search["executed_per_step"] <= 60
    assert search["distinct_per_call"] <= 390


def test_pgd_against_peers(run):
    result = run("speed/pgd_vs_peers.py")
    rows = {row["library"]: row for row in result["rows"]}
    ours = rows["holdfast"]
    assert ours["backward_per_example"] == 2  # as many as steps
    assert rows["holdfast, last iterate"]["forward_per_example"] == 2
    assert all(row["size_over_eps"] <= 1 + 1e-5 for row in rows.values())
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        assert len(result["not_run"]) >= len(missing)
        pytest.skip(f"ours ran; not installed: {', '.join(missing)}")


@pytest.mark.slow
def test_duration(run):
    result = run("evaluation/duration.py")
    (row,) = result["suites"]
    assert row["suite"] == "quick"
    assert row["passes_if_nothing_breaks"] == 388  # 21 + 41 + 3 x 42 + 200
    assert 0 < row["passes"] <= row["passes_if_nothing_breaks"] + 10  # and verdicts
    assert row["seconds_per_1000_if_nothing_breaks"] > 0
    ratios = {each["method"]: each["times_standard"] for each in result["training"]}
    assert ratios["madry"] > ratios["standard"] == 1


@pytest.mark.slow
def test_low_precision(run):
    result = run("speed/low_precision.py")
    assert result["speed"][0]["times_faster"] > 0
    assert abs(result["accuracy"]["difference"]) <= 1 / result["accuracy"]["n"]


@pytest.mark.shared
def test_targets(run):
    shared = Path(os.environ.get("HOLDFAST_SHARED", ROOT.parent / "shared"))
    if not (shared / "targets" / "reference.json").is_file():
        pytest.skip("no published networks: set HOLDFAST_SHARED")
    if not os.environ.get("HOLDFAST_DATA"):
        pytest.skip("no MNIST: set HOLDFAST_DATA")
    targets = ("--targets", str(shared / "targets"))
    result = run("targets/standard_vs_autoattack.py", *targets)
    (row,) = result["rows"]
    assert row["n"] == len(row["bits"]) == 16
    assert row["clean"] == row["reference_clean"]


def test_targets_without_networks(monkeypatch, capsys):
    monkeypatch.delenv("HOLDFAST_SHARED", raising=False)
    script = ROOT / "benchmarks" / "targets" / "standard_vs_autoattack.py"
    monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
    monkeypatch.setattr(sys, "argv", [str(script)])
    as_main(script)
    assert "nothing compared" in capsys.readouterr().out


@pytest.mark.shared
def test_optimality(run, tmp_path):
    shared = Path(os.environ.get("HOLDFAST_SHARED", ROOT.parent / "shared"))
    if not (shared / "targets" / "reference.json").is_file():
        pytest.skip("no published networks: set HOLDFAST_SHARED")
    if not os.environ.get("HOLDFAST_DATA"):
        pytest.skip("no MNIST: set HOLDFAST_DATA")
    work = ("--work", str(tmp_path / "work"), "--targets", str(shared / "targets"))
    result = run("attacks/optimality.py", *work)
    columns = result["rows_columns"].split("|")
    rows = [dict(zip(columns, row.split("|"), strict=True)) for row in result["rows"]]
    rows = [row for row in rows if row["pool"] == "holdfast"]
    assert {row["norm"] for row in rows} == {"L0", "L1", "L2", "Linf"}
    assert all(float(row["forward"]) + float(row["backward"]) <= 40 for row in rows)
    assert all(0 <= float(row["xi"]) <= 1 and not row["error"] for row in rows)
    made = sorted((tmp_path / "work").rglob("*.json"))
    again = run("attacks/optimality.py", *work)  # nothing is run again
    assert again["rows"] == result["rows"]
    assert sorted((tmp_path / "work").rglob("*.json")) == made


@pytest.mark.slow
def test_speed_of_attacks(run, tmp_path):
    work = ("--work", str(tmp_path / "work"))
    result = run("attacks/speed.py", *work)
    rows = [row for row in result["rows"] if not row.get("error")]
    assert {row["attack"] for row in rows} == {"pgd Linf", "fmn L2", "square Linf", "boundary L2"}
    for row in rows:
        assert row["our_seconds"] > 0
        if row["kind"] == "gradient":
            assert row["our_backward"] == 2  # as many as steps
            assert 3 <= row["our_forward"] <= 5  # and a look at the network before
        else:
            assert row["our_backward"] == 0
        if row["library"] is not None:
            assert row["per_pass"] > 0
    made = sorted((tmp_path / "work").rglob("*.json"))
    assert len(made) == 4
    again = run("attacks/speed.py", *work)  # nothing is run again
    assert again["rows"] == result["rows"]


def test_speed_of_attacks_against_a_peer(tmp_path, monkeypatch):
    """What the rows say of a peer that does the same as we do, and of one that is slow."""
    folder = ROOT / "benchmarks"
    monkeypatch.syspath_prepend(str(folder / "attacks"))
    monkeypatch.syspath_prepend(str(folder))
    verdicts = importlib.import_module("verdicts")
    row = {"network": "n", "attack": "a", "kind": "gradient", "figure_is": "success"}
    row |= {"alone": False, "our_figure": 0.5, "figure": 0.5}
    slow, fast = row | {"per_pass": 0.4}, row | {"per_pass": 1.1}
    verdicts.judged([slow, fast])
    assert (slow["fastest"], slow["met"]) == (False, None)
    assert (fast["fastest"], fast["met"]) == (True, False)
    one = row | {"kind": "decision", "figure_is": "distance", "alone": True, "per_pass": 0.1}
    worse, lost = one | {"our_figure": 0.6}, one | {"our_figure": -1.0}
    late, found = one | {"per_pass": 0.11}, one | {"figure": -1.0}
    for each, met in ((one, True), (worse, False), (lost, False), (late, False), (found, True)):
        verdicts.judged([each])
        assert each["met"] is met
    more = row | {"kind": "score", "per_pass": 1.0, "our_figure": 0.4}
    verdicts.judged([more])
    assert more["met"] is False
    for name in ("verdicts", "common"):
        sys.modules.pop(name, None)
