"""What a person sees while an evaluation runs: a forecast first, then progress."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holdfast.evaluation.setting import Setting


class Display:
    """Progress on standard error; silent where nobody watches."""

    def __init__(self, setting: Setting, radii: int, expected: float, *, quiet: bool) -> None:
        console = Console(stderr=True, quiet=quiet)
        n = len(setting.positions)
        console.print(
            f"{setting.suite.name} on {n:,} points, {setting.threat.space.sentence()}: "
            f"at most {duration(expected)} if nothing breaks",
            highlight=False,
        )
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._progress.add_task("clean", total=n * radii * len(setting.members))

    def tick(self, member: str, examples: int, seconds: float) -> None:
        """Show that `member` has dealt with so many examples."""
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


def duration(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
