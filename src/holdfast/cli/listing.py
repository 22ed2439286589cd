"""The tables of `holdfast list`."""

from __future__ import annotations

import inspect
import os

from rich.console import Console
from rich.table import Table

import holdfast.api  # noqa: F401  registers every component
from holdfast import recipes
from holdfast.data.load import HOME
from holdfast.errors import ConfigError, did_you_mean
from holdfast.printable import printable
from holdfast.registry import known
from holdfast.storage import user_path

KINDS = {
    "attack": "attacks",
    "loss": "losses",
    "space": "sets of allowed changes",
    "method": "training methods",
    "network": "reference networks",
    "suite": "suites of attacks",
    "optimizer": "optimizers",
    "schedule": "learning-rate schedules",
    "augmentation": "augmentation",
    "recipe": "recipes",
    "data": "data",
}

Row = tuple[str, str]


def show(kind: str | None, console: Console) -> None:
    """Print the components of one kind, or of all."""
    if kind is not None and kind.removesuffix("s") not in KINDS and kind not in KINDS:
        raise ConfigError(f"unknown kind {kind!r}{did_you_mean(kind, KINDS)}")
    wanted = KINDS if kind is None else [kind if kind in KINDS else kind.removesuffix("s")]
    for name in wanted:
        table = Table(
            title=KINDS[name], title_justify="left", title_style="bold", box=None, show_header=False
        )
        table.add_column(style="cyan", no_wrap=True, min_width=22)
        table.add_column(overflow="fold")
        for row in rows(name):
            table.add_row(*map(printable, row))
        console.print(table)
        console.print()


def rows(kind: str) -> list[Row]:
    """Return the name and a line about each component of a kind."""
    if kind == "recipe":
        return [(name, recipes.about(name)) for name in recipes.names()]
    if kind == "data":
        return _data()
    if kind == "suite":
        return [
            (name, ", ".join(member.name for member in suite.members))
            for name, suite in known("suite").items()
        ]
    return [(name, _summary(cls)) for name, cls in known(kind).items()]


def _data() -> list[Row]:
    found: list[Row] = [("digits", "built in: 1,797 handwritten digits of 8x8 pixels")]
    home = os.environ.get(HOME)
    if home and user_path(home, HOME).is_dir():
        paths = sorted(
            p for p in user_path(home, HOME).iterdir() if p.suffix == ".npz" or p.is_dir()
        )
        return found + [(path.stem, str(path)) for path in paths]
    return [*found, ("NAME", f"an .npz file or image folder in the folder that {HOME} names")]


def _summary(cls: type) -> str:
    """Return the first sentence of a component's docstring, on one line."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n", maxsplit=1)[0].split())
