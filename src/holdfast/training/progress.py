"""Progress of a training run: a line an epoch, and in a terminal a bar that moves within it."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from holdfast.progress import Clock, Display, View, duration, to_go
from holdfast.training.state import Record, TrainState
from holdfast.training.step import LOSS, SEEN


class Progress:
    """The lines of one run, and the time that is left, as learned since this process took over.

    quiet: show nothing. The first step, which warms up, does not count where there are others.
    """

    def __init__(
        self, epochs: int, steps: int, *, quiet: bool = False, clock: Clock = time.monotonic
    ) -> None:
        self.epochs = epochs
        self.steps = steps  # of an epoch
        self.display = Display(self._view, quiet=quiet, clock=clock)
        self._state: TrainState | None = None
        self._at = clock()  # when the last step, validation or epoch ended
        self._stepping, self._taken = 0.0, 0  # seconds of so many steps
        self._first: float | None = None  # seconds of the first step
        self._validating = False
        self._validations: list[float] = []  # seconds of each, with all that ends an epoch

    def __enter__(self) -> Self:
        self.display.__enter__()
        self._at = self.display.clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.display.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        """Print one sentence."""
        self.display.say(text)

    def tick(self, state: TrainState) -> None:
        """Take note of a finished step; costs nothing but a look at the clock."""
        self._state = state
        spent = self._lap()
        if self._first is None:
            self._first = spent
        else:
            self._stepping, self._taken = self._stepping + spent, self._taken + 1
        self.display.show()

    def validates(self) -> None:
        """Take note that an epoch's steps are done and its validation begins."""
        self._lap()
        self._validating = True
        self.display.show()

    def epoch(self, state: TrainState, record: Record) -> None:
        """Take note of a validated epoch, and print its line."""
        self._state, self._validating = state, False
        self._validations.append(self._lap())
        loss = "not finite" if record["train_loss"] is None else f"{record['train_loss']:.3f}"
        facts = [
            f"loss {loss}",
            f"clean {record['clean']:.1%}",
            f"robust {record['robust']:.1%}" + (" (best so far)" if record["best"] else ""),
            f"learning rate {record['lr']:.2g}",
            duration(record["seconds"]),
        ]
        if state.finished is None:
            facts.append(to_go(self.left()))
        self.say(f"epoch {record['epoch']} of {self.epochs}: {', '.join(facts)}")

    def left(self) -> float | None:
        """Return the seconds that are left; None before there is anything to learn from."""
        state = self._state
        if state is None or self._first is None:
            return None
        pace = self._stepping / self._taken if self._taken else self._first
        steps = self.epochs * self.steps - state.step
        each = self._validations[-1] if self._validations else 0.0
        present = self.display.clock() - self._at if self._validating else 0.0
        return max(pace * steps + each * (self.epochs - state.epoch) - min(present, each), 0.0)

    def _lap(self) -> float:
        """Return the seconds since the last lap."""
        now = self.display.clock()
        spent, self._at = now - self._at, now
        return spent

    def _view(self) -> View:
        state = self._state
        if state is None:
            return View("training", None, "the first step")
        label = f"epoch {min(state.epoch + 1, self.epochs)} of {self.epochs}"
        facts = ["validation"] if self._validating else []
        if not self._validating and (seen := float(state.totals[SEEN])):
            speed = seen / max(state.seconds, 1e-9)
            facts += [f"loss {float(state.totals[LOSS]) / seen:.3f}", f"{speed:,.0f} examples/s"]
        unknown = "" if self._validations else " and the validations"
        if (left := self.left()) is not None:
            facts.append(to_go(left) + unknown)
        return View(label, state.step / (self.epochs * self.steps), ", ".join(facts))
