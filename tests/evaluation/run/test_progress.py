"""The lines of an evaluation, and the time that is left as it is learned."""

from __future__ import annotations

import re
import shutil

import pytest
import torch

from evaluation_setup import essence, segments
from holdfast.attacks import FGSM, Ascent, fit
from holdfast.evaluation import export_png, transfer_matrix, verify
from holdfast.evaluation.run import progress as progress_module
from holdfast.evaluation.run.remaining import Remaining, Work
from holdfast.progress import Display
from terminal import Clock, Terminal

STAGES = ["clean", "pgd", "apgd-ce", "apgd-t-1", "apgd-t-2", "square"]


def ten_batches(**changes) -> tuple[Remaining, Clock]:
    """A clean pass and two members, a second a batch by the forecast, on 100 examples."""
    clock = Clock()
    works = [Work(name="clean", seconds=0.0, passes=1)]
    works += [Work(name=name, seconds=1.0, passes=5) for name in "ab"]
    chunks = changes.pop("chunks", [100])
    return Remaining(works=works, chunks=chunks, batch=10, clock=clock, **changes), clock


def run_stage(remaining, clock, entering, seconds, *, broke=0, passes=5):
    """Run a stage whose batches take so many seconds and passes, and break so many each."""
    standing = entering
    remaining.begins(entering)
    for _ in range(entering // 10):
        for _ in range(passes):
            remaining.beat()
        clock.now += seconds
        remaining.batch_ends(10, broke)
        standing -= broke
    remaining.ends(entering - standing, standing)


def test_without_news_the_forecast_stands():
    remaining, clock = ten_batches(radii=2, chunks=[100, 50])
    assert remaining.left() == pytest.approx(2 * 2 * 15)
    run_stage(remaining, clock, 100, 0.0, passes=1)
    run_stage(remaining, clock, 100, 1.0)
    assert remaining.left() == pytest.approx(2 * 2 * 15 - 10)


def test_a_slower_machine_is_learned():
    remaining, clock = ten_batches()
    run_stage(remaining, clock, 100, 0.0, passes=1)
    run_stage(remaining, clock, 100, 2.0)
    assert remaining.left() == pytest.approx(2 * 10, rel=0.1)
    run_stage(remaining, clock, 100, 2.0)
    assert remaining.left() == 0


def test_what_breaks_is_not_waited_for():
    """Half of every batch breaks, after all passes; then all of it, after the first."""
    remaining, clock = ten_batches(chunks=[100, 100])
    run_stage(remaining, clock, 100, 0.0, passes=1)
    remaining.begins(100)
    for done in range(1, 5):
        for _ in range(5):
            remaining.beat()
        clock.now += 1.0
        remaining.batch_ends(10, 5)
        assert remaining.left() == pytest.approx((10 - done) + 5 + 10 + (10 if done else 5), abs=6)
    for _ in range(6):
        clock.now += 1.0
        remaining.batch_ends(10, 5)
    remaining.ends(50, 50)
    run_stage(remaining, clock, 50, 1.0)
    remaining.starts(0, 1)
    assert remaining.left() == pytest.approx(10 + 5, rel=0.35)
    remaining, clock = ten_batches(radii=3)
    run_stage(remaining, clock, 100, 0.0, passes=1)
    run_stage(remaining, clock, 100, 0.2, broke=10, passes=1)
    assert remaining.left() == 0


def test_time_runs_within_a_batch():
    remaining, clock = ten_batches(chunks=[10])
    run_stage(remaining, clock, 10, 0.0, passes=1)
    remaining.begins(10)
    seen = []
    for _ in range(4):
        remaining.beat()
        clock.now += 0.2
        seen.append(remaining.left())
    assert seen == pytest.approx([1.8, 1.6, 1.4, 1.2])


def test_without_a_forecast_the_time_is_known_once_something_ran():
    remaining, clock = ten_batches(measured=False)
    assert remaining.left() is None
    run_stage(remaining, clock, 100, 0.0, passes=1)
    run_stage(remaining, clock, 100, 3.0)
    assert remaining.left() == pytest.approx(30)


def test_a_log_has_a_line_a_stage(run, capsys):
    claim = run(quiet=False)
    said = capsys.readouterr()
    opening, *lines = said.err.splitlines()
    assert "custom: tiny on 90 points, Linf eps=0.12" in opening
    assert "at most" not in said.err
    assert [line.split(":")[0] for line in lines] == STAGES
    for line, bar in zip(lines, claim.document["waterfall"], strict=True):
        facts = re.search(r": ([\d,]+) entered, (\d+) (broken|wrong), (\d+) left, ", line)
        assert [int(facts[1]), int(facts[2])] == [bar["entered"], bar["broken"]], line
        assert re.search(r"about \d+ (s|min) to go$", line)
    assert said.out == ""


def test_radii_chunks_and_what_was_found_before_are_said(run, capsys, monkeypatch):
    monkeypatch.setattr("holdfast.evaluation.run.setup.CHUNK", 1)
    run(quiet=False, eps=[0.2])
    lines = capsys.readouterr().err.splitlines()[1:]
    assert len(lines) == 2 * 2 * len(STAGES)
    assert lines[0].startswith("eps=0.12, chunk 1 of 2, clean: 64 entered, ")
    assert lines[-1].startswith("eps=0.2, chunk 2 of 2, square: ")


def test_a_stage_that_lies_there_is_said_to(run, capsys, tmp_path):
    claim = run()
    (claim.folder / "claim.json").unlink()
    run(quiet=False)
    lines = capsys.readouterr().err.splitlines()[1:]
    assert all("found before" in line for line in lines if "none left" not in line)


def test_a_display_changes_nothing(run, claim, monkeypatch, tmp_path, capfd):
    """Also one that draws a bar at every pass."""
    monkeypatch.setattr("holdfast.progress.REFRESH", 0.0)
    with Terminal(monkeypatch) as terminal:
        loud = run(quiet=False)
    assert essence(loud.folder) == essence(claim.folder)
    assert segments(loud.folder) == segments(claim.folder)
    assert len(set(re.findall(r"about \d+ \w+ to go", terminal.getvalue()))) >= 1
    text = terminal.getvalue()
    assert text.count("apgd-ce") > 10  # moves within a member of six batches
    run(out=tmp_path / "quiet")
    assert capfd.readouterr() == ("", "")


def test_every_stage_of_a_suite_is_forecast(run, monkeypatch):
    seen = []

    class Kept(Remaining):
        def __post_init__(self):
            seen.append(self)
            super().__post_init__()

    monkeypatch.setattr(progress_module, "Remaining", Kept)
    run(precision="bfloat16")
    names = [work.name for work in seen[0].works]
    assert names[: len(STAGES)] == STAGES
    assert all(work.seconds > 0 for work in seen[0].works[: len(STAGES)])
    assert [work.doubtful for work in seen[0].works] == [False] * 6 + [True] * 4


def jobs(claim, net, data, threat, folder) -> dict:
    """Every other job that may take long, by what its line begins with."""
    batch = data.batch(torch.arange(32))
    known = {"model": net, "data": data}
    networks = {"a": net, "b": net}
    return {
        "re-checking the unchanged inputs": lambda **how: verify(
            claim.folder, **known, replay=0, **how
        ),
        "re-checking counterexamples": lambda **how: verify(claim.folder, **known, replay=0, **how),
        "attacking survivors again": lambda **how: verify(claim.folder, **known, replay=3, **how),
        "writing PNG files": lambda **how: export_png(claim, **known, out=folder / "png", **how),
        "transfer matrix": lambda **how: transfer_matrix(
            FGSM(), threat, networks, batch.x, batch.y, batch_size=8, **how
        ),
        "fitting": lambda **how: fit(
            Ascent(epochs=1), net, data, threat=threat, out=folder / str(how), batch_size=30, **how
        ),
    }


JOBS = [
    "re-checking the unchanged inputs", "re-checking counterexamples", "attacking survivors again",
    "writing PNG files", "transfer matrix", "fitting",
]  # fmt: skip


@pytest.mark.parametrize("name", JOBS)
def test_other_jobs_say_how_far_they_are_once_they_are_long(
    name, claim, net, data, threat, tmp_path, monkeypatch, capsys
):
    job = jobs(claim, net, data, threat, tmp_path)[name]
    job()
    assert capsys.readouterr().err == ""  # it is short
    monkeypatch.setattr(Display, "show", lambda self: self.say(self.view().line))
    job(quiet=True)
    assert capsys.readouterr().err == ""
    shutil.rmtree(tmp_path / "{}", ignore_errors=True)
    job()
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(name)]
    assert re.search(rf"{name}: 100% of all done, (\d+) of \1 \w+ in 1 s$", lines[-1])
