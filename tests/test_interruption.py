"""Signals: one request or one exception, the same for each of them, and everything restored."""

from __future__ import annotations

import signal
import threading

import pytest

from holdfast import interruption
from holdfast.errors import HoldfastError, Interrupted
from holdfast.interruption import SIGNALS, deferred, interruptible

NAMES = [signal.Signals(number).name for number in SIGNALS]


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


def test_what_is_handled():
    assert NAMES == ["SIGINT", "SIGTERM", "SIGHUP"]
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, HoldfastError)


@pytest.mark.parametrize("number", SIGNALS, ids=NAMES)
def test_a_signal_is_a_request_and_a_second_one_ends_at_once(number, monkeypatch):
    before = handlers()
    with pytest.raises(Interrupted) as caught, deferred() as asked:
        assert not asked.requested
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)  # together with the first, as launchers send them
        assert asked.requested
        assert asked.error().signal == number
        monkeypatch.setattr(interruption, "TOGETHER", 0.0)
        signal.raise_signal(signal.SIGHUP)
    assert caught.value.signal == signal.SIGHUP
    assert handlers() == before


@pytest.mark.parametrize("number", SIGNALS, ids=NAMES)
def test_a_signal_raises_at_once_where_nothing_is_lost_by_it(number):
    before = handlers()
    with pytest.raises(Interrupted) as caught, interruptible():
        signal.raise_signal(number)
    assert caught.value.signal == number
    with pytest.raises(Interrupted), interruptible(), deferred() as asked:
        signal.raise_signal(number)
        with asked.at_once():
            pytest.fail("a signal came before")
    assert handlers() == before


def test_what_the_program_handles_or_ignores_stays_so():
    heard = []
    old = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with deferred() as asked:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            assert not asked.requested
    finally:
        signal.signal(signal.SIGTERM, old)
        signal.signal(signal.SIGHUP, ignored)
    assert heard == [signal.SIGTERM]


def test_other_threads_get_no_signal_and_change_nothing():
    before, seen = handlers(), []

    def work():
        with interruptible(), deferred() as asked:
            seen.append((asked.requested, handlers() == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, True)]
