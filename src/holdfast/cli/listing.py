"""The tables of `holdfast list`."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console
from rich.table import Table

import holdfast.api  # noqa: F401  registers every component
from holdfast import recipes
from holdfast.components import kinds, known
from holdfast.data.load import HOME
from holdfast.plugins import load_plugins
from holdfast.printable import printable
from holdfast.reference import summary
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

READ = ("recipe", "data")  # not components: files that are read

Row = tuple[str, str]


def as_kind(name: str) -> str | None:
    """Return the kind that a word names, in its plural too; None if it names none."""
    every = (*KINDS, *kinds())
    return next((each for each in (name, name.removesuffix("s")) if each in every), None)


def show(kind: str | None, console: Console) -> None:
    """Print the components of one kind, or of all that a user chooses from."""
    for each in KINDS if kind is None else [kind]:
        table = Table(
            title=KINDS.get(each, each),
            title_justify="left",
            title_style="bold",
            box=None,
            show_header=False,
        )
        table.add_column(style="cyan", no_wrap=True, min_width=22)
        table.add_column(overflow="fold")
        for row in rows(each):
            table.add_row(*map(printable, row))
        console.print(table)
        console.print()
    console.print("holdfast list NAME shows one: its fields, where it works, how it is written.")


def rows(kind: str) -> list[Row]:
    """Return the name and a line about each component of a kind, those of plug-ins included."""
    load_plugins()
    if kind == "recipe":
        return [(name, recipes.about(name)) for name in recipes.names()]
    if kind == "data":
        return _data()
    if kind == "suite":
        return [
            (name, ", ".join(member.name for member in suite.members))
            for name, suite in known("suite").items()
        ]
    return [(name, summary(cls) + _origin(cls)) for name, cls in known(kind).items()]


def _origin(cls: Any) -> str:
    package = cls.__module__.partition(".")[0]
    if package != "holdfast":
        return f" Of {package}."
    return " Ours alone." if getattr(cls, "baseline", "") else ""


def _data() -> list[Row]:
    found: list[Row] = [("digits", "built in: 1,797 handwritten digits of 8x8 pixels")]
    home = os.environ.get(HOME)
    if home and user_path(home, HOME).is_dir():
        paths = sorted(
            p for p in user_path(home, HOME).iterdir() if p.suffix == ".npz" or p.is_dir()
        )
        return found + [(path.stem, str(path)) for path in paths]
    return [*found, ("NAME", f"an .npz file or image folder in the folder that {HOME} names")]
