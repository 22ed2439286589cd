"""What a person sees while an evaluation runs: a forecast first, then progress."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.claims.suites import printed_name
from holdfast.evaluation.document import about_suite
from holdfast.evaluation.setting import Setting


class Display:
    """Progress on standard error; silent where nobody watches."""

    def __init__(
        self, setting: Setting, radii: int, expected: float | None, *, quiet: bool
    ) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        n = len(setting.positions)
        if expected is None:
            forecast = "no forecast, the model raised under attack"
        else:
            forecast = f"at most {duration(expected)} if nothing breaks"
        name, space = printed_name(about_suite(setting)), setting.threat.space
        self._console.print(
            f"{name} on {n:,} points, {space.sentence()}: {forecast}",
            soft_wrap=True,
        )
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        stages = len(setting.members) + len(setting.finishers())
        self._task = self._progress.add_task("clean", total=n * radii * stages)

    def tick(self, member: str, examples: int) -> None:
        """Show that `member` begins with so many examples."""
        self._progress.update(self._task, description=member, advance=examples)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._console.print("interrupted; run the same command again to continue from here")


def duration(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
