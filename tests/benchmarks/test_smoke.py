"""Every benchmark of this folder's questions runs in its smallest setting."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("torchattacks", "foolbox", "art", "cleverhans")


def run(script: str, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """Run a benchmark as a user would; return its result file."""
    out = tmp_path / "result.json"
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--smoke", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [*command, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    assert out.with_suffix(".md").read_text(encoding="utf-8") in done.stdout
    assert result["environment"]["torch"]
    assert result["environment"]["threads"] >= 1
    return result


def test_attack_step(tmp_path):
    result = run("speed/attack_step.py", tmp_path)
    assert {row["kind"] for row in result["rows"]} == {"training", "evaluation"}
    assert all(row["ratio"] > 0 for row in result["rows"])


def test_pgd_against_peers(tmp_path):
    result = run("speed/pgd_vs_peers.py", tmp_path)
    rows = {row["library"]: row for row in result["rows"]}
    ours = rows["holdfast"]
    assert ours["backward_per_example"] == 2  # as many as steps
    assert rows["holdfast, last iterate"]["forward_per_example"] == 2
    assert all(row["size_over_eps"] <= 1 + 1e-5 for row in rows.values())
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        assert len(result["not_run"]) >= len(missing)
        pytest.skip(f"ours ran; not installed: {', '.join(missing)}")


def test_low_precision(tmp_path):
    result = run("speed/low_precision.py", tmp_path)
    assert result["speed"][0]["times_faster"] > 0
    assert abs(result["accuracy"]["difference"]) <= 1 / result["accuracy"]["n"]


@pytest.mark.shared
def test_targets(tmp_path):
    shared = Path(os.environ.get("HOLDFAST_SHARED", ROOT.parent / "shared"))
    if not (shared / "targets" / "reference.json").is_file():
        pytest.skip("no published networks: set HOLDFAST_SHARED")
    if not os.environ.get("HOLDFAST_DATA"):
        pytest.skip("no MNIST: set HOLDFAST_DATA")
    targets = ("--targets", str(shared / "targets"))
    result = run("targets/standard_vs_autoattack.py", tmp_path, *targets)
    (row,) = result["rows"]
    assert row["n"] == len(row["bits"]) == 16
    assert row["clean"] == row["reference_clean"]


def test_targets_without_networks(tmp_path, monkeypatch):
    monkeypatch.delenv("HOLDFAST_SHARED", raising=False)
    script = str(ROOT / "benchmarks" / "targets" / "standard_vs_autoattack.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "nothing compared" in done.stdout


@pytest.mark.shared
def test_optimality(tmp_path):
    shared = Path(os.environ.get("HOLDFAST_SHARED", ROOT.parent / "shared"))
    if not (shared / "targets" / "reference.json").is_file():
        pytest.skip("no published networks: set HOLDFAST_SHARED")
    if not os.environ.get("HOLDFAST_DATA"):
        pytest.skip("no MNIST: set HOLDFAST_DATA")
    work = ("--work", str(tmp_path / "work"), "--targets", str(shared / "targets"))
    result = run("attacks/optimality.py", tmp_path, *work)
    columns = result["rows_columns"].split("|")
    rows = [dict(zip(columns, row.split("|"), strict=True)) for row in result["rows"]]
    rows = [row for row in rows if row["pool"] == "holdfast"]
    assert {row["norm"] for row in rows} == {"L0", "L1", "L2", "Linf"}
    assert all(float(row["forward"]) + float(row["backward"]) <= 40 for row in rows)
    assert all(0 <= float(row["xi"]) <= 1 and not row["error"] for row in rows)
    made = sorted((tmp_path / "work").rglob("*.json"))
    again = run("attacks/optimality.py", tmp_path, *work)  # nothing is run again
    assert again["rows"] == result["rows"]
    assert sorted((tmp_path / "work").rglob("*.json")) == made
