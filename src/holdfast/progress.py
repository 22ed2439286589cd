"""Progress of long work: lines in a log, one moving bar in a terminal, and the time that is left.

Everything goes to standard error. The work says that it goes on by `beat`, before every pass
through a network; the display looks at the clock then. So nothing runs beside the work, and a log
is never silent for much more than a minute.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from holdfast.deadline import Listeners, listen, stop_listening
from holdfast.printable import printable

QUIET = 60.0  # seconds after which a log gets a line about unfinished work
REFRESH = 0.5  # seconds between two drawings of the bar; each takes about a millisecond
SHORT = 10.0  # seconds that work may take without a word, where most of its kind takes less

Clock = Callable[[], float]  # seconds from any moment, never fewer than before

_drawn: ContextVar[bool] = ContextVar("_drawn", default=False)  # the terminal has its bar


@dataclass(frozen=True)
class View:
    """The state of some work. label: the part at work. done: the share of the whole, if known."""

    label: str
    done: float | None
    text: str

    @property
    def line(self) -> str:
        """Return it as a line of a log."""
        share = "" if self.done is None else f"{self.done:.0%} of all done"
        return f"{self.label}: {', '.join(filter(None, (share, self.text)))}"


class Display:
    """Lines on standard error and, in a terminal, a bar below them.

    view: asked for the state of the work when it is shown. quiet: show nothing, and leave it to
    whoever shows the work around this one to do so. after: seconds before anything is shown. beats:
    called at every beat.
    """

    def __init__(
        self,
        view: Callable[[], View],
        *,
        quiet: bool = False,
        after: float = 0.0,
        beats: Callable[[], None] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.view = view
        self.quiet = quiet
        self.clock = clock
        self.began = clock()
        self.spoken = False
        self._beats = beats
        self._due = self.began + after
        self._after = after
        self._bar: _Bar | None = None
        self._tokens: tuple[Token[Listeners], Token[bool]] | None = None

    def say(self, text: str) -> None:
        """Print one line."""
        if self.quiet:
            return
        self.spoken = True
        if self._bar is not None:
            self._bar.say(printable(text))
            return
        self._due = self.clock() + QUIET
        _write(printable(text))

    def beat(self) -> None:
        """Take note of a pass through a network."""
        if self._beats is not None:
            self._beats()
        self.show()

    def show(self) -> None:
        """Show the state of the work if it is time to: a look at the clock, as a rule no more."""
        now = self.clock()
        if self.quiet or now < self._due:
            return
        if self._bar is None:
            self.say(self.view().line)
        else:
            self._due = now + REFRESH
            self._bar.draw(self.view())

    def __enter__(self) -> Self:
        if self.quiet:
            return self
        draws = _in_terminal() and not _drawn.get()
        self._bar = _Bar() if draws else None
        self._due = self.clock() + (self._after or (0.0 if draws else QUIET))
        self._tokens = listen("display", self.beat), _drawn.set(draws or _drawn.get())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._tokens is not None:
            stop_listening(self._tokens[0])
            _drawn.reset(self._tokens[1])
            self._tokens = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Count:
    """The progress of a job of so many equal parts, with the time that is left as learned so far.

    total: None where the time decides, or nobody counts. passes: forward passes of a part, where
    they are known.
    """

    def __init__(
        self, label: str, total: int | None, parts: str, passes: int | None = None
    ) -> None:
        self.label = label
        self.total = total
        self.parts = parts
        self.passes = passes
        self.done = self._beats = 0
        self.display: Display

    def step(self, parts: int = 1) -> None:
        """Take note of finished parts."""
        self.done, self._beats = self.done + parts, 0
        self.display.show()

    def beat(self) -> None:
        """Take note of a pass within a part."""
        self._beats += 1

    def view(self) -> View:
        """Return the state of the job."""
        spent = self.display.clock() - self.display.began
        if self.total is None:
            done = f"{self.done:,} {self.parts} in " if self.done else ""
            return View(self.label, None, f"{done}{duration(spent)} so far")
        inside = min(self._beats / self.passes, 0.99) if self.passes else 0.0
        share = (self.done + inside) / max(self.total, 1)
        text = f"{self.done:,} of {self.total:,} {self.parts} in {duration(spent)}"
        if 0 < share < 1:
            text += f", {to_go(spent * (1 - share) / share)}"
        return View(self.label, share, text)


@contextmanager
def counting(
    label: str,
    total: int | None,
    parts: str,
    *,
    passes: int | None = None,
    quiet: bool = False,
    after: float = SHORT,
    clock: Clock = time.monotonic,
) -> Iterator[Callable[[int], None]]:
    """Show a job that is short as a rule, once it takes longer; yields a counter of its parts."""
    count = Count(label, total, parts, passes)
    count.display = Display(count.view, quiet=quiet, after=after, beats=count.beat, clock=clock)
    with count.display:
        yield count.step


def duration(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def to_go(seconds: float | None) -> str:
    """Return the words for the time that is left; none where it is not known."""
    return "" if seconds is None else f"about {duration(seconds)} to go"


class _Bar:
    """A bar at the foot of the terminal, from the first drawing on."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}", markup=False),
            console=Console(stderr=True, force_terminal=True, highlight=False),
            auto_refresh=False,  # drawing from a thread of its own takes the work's time
            transient=True,
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("", total=1.0, text="")

    def draw(self, view: View) -> None:
        options: dict[str, Any] = {"description": printable(view.label), "text": view.text}
        with suppress(OSError):  # a terminal that was closed is no reason to end the work
            total = None if view.done is None else 1.0
            self._progress.update(self._task, total=total, completed=view.done or 0.0, **options)
            if self._progress.live.is_started:
                self._progress.refresh()
            else:
                self._progress.start()  # draws

    def say(self, text: str) -> None:
        with suppress(OSError):
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        with suppress(OSError):
            self._progress.stop()


def _in_terminal() -> bool:
    """Return True where a bar can move: notebooks, pipes and files get lines."""
    if sys.stderr is None or sys.stderr.closed or not sys.stderr.isatty():
        return False
    return bool(Console(stderr=True).is_interactive)


def _write(text: str) -> None:
    """Write a line; a reader that went away is no reason to end the work."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
