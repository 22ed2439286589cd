"""Lines in a log, a bar in a terminal, and the time that is left."""

from __future__ import annotations

import io
import sys

import pytest

from holdfast.deadline import beat
from holdfast.progress import QUIET, REFRESH, Display, View, counting, to_go
from terminal import Clock, Terminal


@pytest.fixture
def clock():
    return Clock()


def view(text="about 3 s to go"):
    return lambda: View("square", 0.25, text)


def test_a_log_has_a_line_a_minute_of_what_has_not_ended(clock, capsys):
    with Display(view(), clock=clock) as display:
        for _ in range(4):
            clock.now += 0.9 * QUIET
            beat()
        display.say("square: done")
        clock.now += 0.9 * QUIET
        beat()
    clock.now += 10 * QUIET
    beat()  # nobody listens any more
    said = capsys.readouterr()
    assert said.err.splitlines() == 2 * ["square: 25% of all done, about 3 s to go"] + [
        "square: done"
    ]
    assert said.out == ""


def test_what_is_quiet_leaves_it_to_the_work_around_it_to_show_that_it_goes_on(clock, capsys):
    with Display(view(), clock=clock), Display(view("inner"), quiet=True, clock=clock) as inner:
        inner.say("nothing")
        clock.now += 2 * QUIET
        beat()
    assert capsys.readouterr().err == "square: 25% of all done, about 3 s to go\n"


def test_a_terminal_has_one_bar_below_the_lines(clock, monkeypatch, capsys):
    with Terminal(monkeypatch) as terminal:
        with Display(view("outer"), clock=clock) as outer:
            beat()
            clock.now += REFRESH / 2
            beat()
            with Display(view("inner"), clock=clock) as inner:
                clock.now += 2 * REFRESH
                beat()
                inner.say("a line of the inner one")
            outer.say("a line of the outer one")
            clock.now += 2 * REFRESH
            beat()
        text = terminal.getvalue()
    drawn = text.count("outer") - text.count("of the outer")
    assert 2 <= drawn <= 5  # the first and the last beat, and again below a line
    assert "inner" not in text.replace("of the inner", "")
    assert text.index("a line of the inner one") < text.index("a line of the outer one")


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_file_is_no_terminal_whatever_the_environment_says(name, clock, monkeypatch, capsys):
    monkeypatch.setenv(name, "1")
    with Display(view(), clock=clock):
        clock.now += 2 * QUIET
        beat()
    assert capsys.readouterr().err == "square: 25% of all done, about 3 s to go\n"


def test_short_jobs_say_nothing_and_long_ones_how_far_they_are(clock, capsys):
    with counting("attack", 10, "batches", passes=4, clock=clock) as step:
        for _ in range(2):
            clock.now += 4
            step(1)
    assert capsys.readouterr().err == ""
    with counting("attack", 10, "batches", passes=4, clock=clock) as step:
        for _ in range(2):
            clock.now += 6
            step(1)
        clock.now += 6
        for _ in range(2):  # passes of four: half a batch
            beat()
        clock.now += QUIET
        beat()
    assert capsys.readouterr().err.splitlines() == [
        "attack: 20% of all done, 2 of 10 batches in 12 s, about 48 s to go",
        "attack: 28% of all done, 2 of 10 batches in 78 s, about 3 min to go",
    ]
    assert to_go(None) == ""


@pytest.mark.parametrize("error", [BrokenPipeError, ValueError])
def test_a_reader_who_went_away_does_not_end_the_work(error, clock, monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise error

    monkeypatch.setattr(sys, "stderr", Gone())
    with Display(view(), clock=clock) as display:
        display.say("a line")
    monkeypatch.setattr(sys, "stderr", None)
    with Display(view(), clock=clock) as display:
        display.say("a line")


def test_a_name_cannot_move_the_cursor(clock, monkeypatch, capsys):
    evil = View("\x1b[2Jmember [bold]", 0.5, "")
    with Display(lambda: evil, clock=clock) as display:
        display.say(evil.label)
    assert "\x1b" not in capsys.readouterr().err
    with Terminal(monkeypatch) as terminal:
        with Display(lambda: evil, clock=clock) as display:
            beat()
            display.say(evil.label)
        assert "\x1b[2J" not in terminal.getvalue()
        assert terminal.getvalue().count("\\x1b[2Jmember [bold]") >= 2


def test_work_that_nobody_counts_shows_that_it_goes_on(clock, capsys):
    with counting("training", None, "", after=0.0, clock=clock):
        clock.now += QUIET
        beat()
    assert capsys.readouterr().err == "training: 60 s so far\n"
