"""What a person sees of a run: one line that moves, and a sentence where something happens."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from holdfast.training.state import Record, TrainState
from holdfast.training.step import LOSS, SEEN

REFRESH = 0.5  # seconds between updates; reading the loss waits for the device


class Display:
    """A bar with epoch, clean, robust, loss, examples per second and time left.

    It is drawn on terminals alone; sentences are printed unless `quiet`.
    """

    def __init__(self, epochs: int, steps_per_epoch: int, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.epochs = epochs
        self.steps = steps_per_epoch
        self.live = self.console.is_terminal and not quiet
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            console=self.console,
            disable=not self.live,
        )
        self.task = self.bar.add_task("train", total=epochs * steps_per_epoch, epoch="", text="")
        self.validated = ""
        self.began = self.shown = time.monotonic()
        self.began_at: int | None = None  # the step at which this process took over

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        """Print one sentence."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def tick(self, state: TrainState) -> None:
        """Take note of a finished step; costs nothing but a look at the clock."""
        now = time.monotonic()
        if self.began_at is None:
            self.began_at, self.began = state.step - 1, now
        if self.live and now - self.shown >= REFRESH:
            self.shown = now
            self._draw(state, now)

    def epoch(self, record: Record) -> None:
        """Take note of a validated epoch."""
        self.validated = f"clean {record['clean']:.1%}  robust {record['robust']:.1%}  "

    def _draw(self, state: TrainState, now: float) -> None:
        done = state.step - (self.began_at or 0)
        left = (self.epochs * self.steps - state.step) * (now - self.began) / max(done, 1)
        seen = float(state.totals[SEEN])
        loss = float(state.totals[LOSS]) / max(seen, 1.0)
        speed = seen / max(state.seconds, 1e-9)
        self.bar.update(
            self.task,
            completed=state.step,
            epoch=f"{state.epoch + 1}/{self.epochs}",
            text=f"{self.validated}loss {loss:.3f}  {speed:,.0f} examples/s  {_clock(left)} left",
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
