"""Progress of an evaluation: a forecast, a line a stage, and in a terminal a bar that moves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from holdfast.attacks.core.shares import REFERENCE
from holdfast.claims.suites import printed_name
from holdfast.evaluation.record.claim_document import about_suite
from holdfast.evaluation.run.remaining import Remaining, Work
from holdfast.evaluation.run.setup import EvaluationSetup
from holdfast.evaluation.run.stage import CLEAN
from holdfast.evaluation.run.time_estimate import whole
from holdfast.progress import Clock, Display, View, duration, to_go
from holdfast.threat import ThreatModel


class Progress:
    """The lines of one evaluation; told of everything by the cascade (see `Watch`).

    threats: of all radii, in order. chunks: examples of each that this process runs. forecast:
    seconds of a batch, by stage; None where none could be made.
    """

    def __init__(
        self,
        setup: EvaluationSetup,
        threats: Sequence[ThreatModel],
        chunks: Sequence[int],
        forecast: Mapping[str, float] | None,
        *,
        processes: int = 1,
        quiet: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        self.setup = setup
        self.threats = threats
        self.chunks = chunks
        self.remaining = Remaining(
            works=_works(setup, forecast),
            chunks=chunks,
            radii=len(threats),
            batch=setup.batch_size,
            exhaustive=setup.exhaustive,
            carries=setup.carries,
            measured=forecast is not None,
            clock=clock,
        )
        self.display = Display(self._view, quiet=quiet, beats=self.remaining.beat, clock=clock)
        self._began, self._ran = 0.0, True  # the present stage; False: its result lies there
        self.display.say(_opening(setup, len(threats), forecast, processes))

    def starts(self, radius: int, chunk: int) -> None:
        """Take note that the chunk of this number is next, at the radius of this number."""
        self.remaining.starts(radius, chunk)

    def begins(self, fresh: int) -> None:
        """Take note that the next stage begins: so many examples have to be run."""
        self._began, self._ran = self.display.clock(), not fresh
        self.remaining.begins(fresh)
        self.display.show()

    def batch_ends(self, examples: int, broke: int) -> None:
        """Take note of a finished batch of the stage."""
        self._ran = True
        self.remaining.batch_ends(examples, broke)
        self.display.show()

    def ends(self, stage: str, entered: int, broke: int, left: int) -> None:
        """Take note of a finished stage, and print its line."""
        self.remaining.ends(broke, left)
        verb = "wrong" if stage == CLEAN else "broken"
        spent = duration(self.display.clock() - self._began) if self._ran else "found before"
        facts = f"{entered:,} entered, {broke:,} {verb}, {left:,} left" if entered else "none left"
        line = f"{self._place()}{stage}: {facts}, {spent}"
        self.display.say(", ".join(filter(None, (line, to_go(self.remaining.left())))))

    def __enter__(self) -> Self:
        self.display.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.display.__exit__(kind, error, trace)
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self.display.say("interrupted; run the same command again to continue from here")

    def _place(self) -> str:
        """Return which radius and which chunk the work is at, where there are several."""
        now, parts = self.remaining, []
        if len(self.threats) > 1:
            parts.append(f"eps={self.threats[now.radius].space.eps_text}")
        if len(self.chunks) > 1:
            parts.append(f"chunk {now.chunk + 1} of {len(self.chunks)}")
        return ", ".join([*parts, ""])

    def _view(self) -> View:
        now = self.remaining
        left, spent = now.left(), self.display.clock() - self.display.began
        done = None if left is None else spent / max(spent + left, 1e-9)
        stage = now.works[min(now.stage, len(now.works) - 1)].name
        return View(f"{self._place()}{stage}", done, to_go(left))


def _works(setup: EvaluationSetup, forecast: Mapping[str, float] | None) -> list[Work]:
    """Return the stages; without a forecast their passes stand for their seconds."""
    works = [Work(name=CLEAN, seconds=1.0 if forecast is None else forecast[CLEAN], passes=1)]
    finishers = setup.finishers()
    for member in (*setup.members, *finishers):
        forward, backward = member.attack.passes()
        share = setup.granted.get(member.name, forward + REFERENCE)
        seconds = float(forward + backward)
        if forecast is not None:
            seconds = forecast.get(member.name, 0.0)
        works.append(
            Work(
                name=member.name,
                seconds=seconds,
                passes=max(min(forward, share), 1),
                once=member.attack.demands().nearest and member not in finishers,
                doubtful=member in finishers,
            )
        )
    return works


def _opening(
    setup: EvaluationSetup, radii: int, forecast: Mapping[str, float] | None, processes: int
) -> str:
    """Return the line before the first stage."""
    if forecast is None:
        expected = "no forecast, the model raised under attack"
    else:
        seconds = whole(setup, dict(forecast)) * radii / processes
        expected = f"about {duration(seconds)} if nothing breaks"
    shared = f"; {processes} processes share it, the lines are the first one's" * (processes > 1)
    name, space = printed_name(about_suite(setup)), setup.threat.space
    return f"{name} on {len(setup.positions):,} points, {space.sentence()}: {expected}{shared}"
