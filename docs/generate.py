"""Tables for the documentation, made from the registry so that they cannot fall behind the code.

Run as a program it prints the table of one kind: `python docs/generate.py attack`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import holdfast
from holdfast.attacks import Attack
from holdfast.plain import describe
from holdfast.registry import known

DOCS = Path(__file__).resolve().parent
BENCHMARKS = DOCS.parent / "benchmarks"

# Kinds whose every component has a page of its own; the others share one page with a table.
FOLDERS = {"space": "spaces", "loss": "losses", "attack": "attacks", "method": "methods"}
# Components that are one run of another have no page of their own: they stand on that one's.
PARTS = {
    ("attack", "restart"): "restarts",
    ("attack", "to_rank"): "each_target",
    ("attack", "to_nearest"): "malt",
}

_COMMENT = re.compile(r"^\s*(?P<name>\w+)\s*:[^#]*#\s*(?P<text>.+?)\s*$")


def load_all() -> None:
    """Import every module of the library, so that every component is registered."""
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def page_of(kind: str, name: str) -> str:
    """Return the path of a component's page below docs/."""
    page = PARTS.get((kind, name), name)
    return f"{FOLDERS[kind]}/{page.replace('_', '-')}.md"


def components(kind: str, source: str = "index.md") -> str:
    """Return the table of one kind: name, what it is, fields with their defaults."""
    rows = ["| name | what it is | fields and defaults |", "|---|---|---|"]
    for name, cls in known(kind).items():
        label = f"`{name}`"
        if kind in FOLDERS:
            label = f"[{label}]({relative(page_of(kind, name), source)})"
        rows.append(f"| {label} | {cell(summary(cls))} | {cell(_defaults(cls))} |")
    return "\n".join(rows)


def suites() -> str:
    """Return a table per suite: its members in order, with the passes that each may spend."""
    parts = []
    for name, suite in known("suite").items():
        parts += [f"**`{name}`**", "", "| member | attack | passes per example |", "|---|---|---|"]
        for member in suite.members:
            plain = _short(member.attack, numbers=True)
            parts.append(f"| `{member.name}` | `{plain}` | {member.attack.cost()} |")
        parts.append("")
    return "\n".join(parts)


def example(cls: Any) -> Any:
    """Build a component with its defaults; an attack that wraps another gets PGD."""
    fill = {
        "attack": known("attack")["pgd"](),
        "eps": 1,
        "first": 0.1,
        "images": known("images")["noise_images"](),
        "index": 0,
        "rank": 1,
    }
    needed = [field.name for field in dataclasses.fields(cls) if _required(field)]
    return cls(**{name: fill[name] for name in needed})


def relative(page: str, source: str) -> str:
    """Return the link to a page from another one."""
    return posixpath.relpath(page, posixpath.dirname(source) or ".")


def fields(kind: str, name: str) -> str:
    """Return the table of one component's fields: name, type, default, meaning."""
    cls = known(kind)[name]
    comments = _comments(cls)
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(cls):
        default = "required" if _required(field) else f"`{_short(_default(field))}`"
        meaning = comments.get(field.name, "")
        kind_of_value = _plain_type(str(field.type))
        rows.append(f"| `{field.name}` | `{kind_of_value}` | {default} | {meaning} |")
    return "\n".join(rows) if len(rows) > 2 else "It has no fields."


def _plain_type(annotation: str) -> str:
    """Return an annotation without its bounds and its unit, which its comment says."""
    annotation = re.sub(r"\bOf[A-Z][a-z]+\b|\b(Length|Rate|Decay)\b", "float", annotation)
    annotation = re.sub(r"\b(Seed|Count|BatchSize|Width|Depth|Pixels)\b", "int", annotation)
    return annotation.replace(" | ", " or ")


def result(name: str) -> str:
    """Return a measured result, `training/kills` of benchmarks/, as a box with its command.

    A script without a result file says that it was not run; FileNotFoundError if there is neither.
    """
    script, found = BENCHMARKS / f"{name}.py", BENCHMARKS / f"{name}.md"
    if script.exists() and not found.exists():
        return f"(Not measured in this release: `python benchmarks/{name}.py`.)"
    text = found.read_text("utf-8").strip()
    inside = "\n".join(f"    {line}" if line else "" for line in text.splitlines())
    return f'!!! info "Measured"\n\n{inside}'


def results() -> str:
    """Return every result file of benchmarks/, one folder after another."""
    names = sorted(p.relative_to(BENCHMARKS).with_suffix("") for p in BENCHMARKS.glob("*/*.md"))
    return "\n\n".join(f"## {name.as_posix()}\n\n{result(name.as_posix())}" for name in names)


def command_help(verb: str) -> str:
    """Return what `holdfast VERB --help` prints, as a fenced block."""
    words = [] if verb == "holdfast" else [verb]
    command = [sys.executable, "-m", "holdfast.cli", *words, "--help"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=_plain_terminal()
    )
    text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
    return f"```text\n$ {' '.join(['holdfast', *words, '--help'])}\n{text}\n```"


def _plain_terminal() -> dict[str, str]:
    import os

    return {**os.environ, "COLUMNS": "92", "TERM": "dumb", "NO_COLOR": "1"}


def summary(cls: Any) -> str:
    """Return the first paragraph of a docstring on one line."""
    text = inspect.getdoc(cls) or ""
    return " ".join(text.split("\n\n")[0].split())


def _defaults(cls: Any) -> str:
    if not dataclasses.is_dataclass(cls):
        return ""
    parts = [
        f"`{field.name}`" if _required(field) else f"`{field.name}={_short(_default(field))}`"
        for field in dataclasses.fields(cls)
    ]
    return ", ".join(parts)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _short(value: Any, *, numbers: bool = False) -> str:
    """Write a value as Python would: a component by its class and what is not default in it.

    numbers: write numbers and attacks also where they are the default, for budgets.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        inner = ", ".join(
            f"{field.name}={_short(item, numbers=numbers)}"
            for field, item in pairs
            if not _is_default(value, field) or (numbers and isinstance(item, int | float | Attack))
        )
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value):
        items = [_short(item, numbers=numbers) for item in value]
        return f"({', '.join(items)}{',' * (len(items) == 1)})"
    return repr(describe(value))


def _is_default(value: Any, field: dataclasses.Field[Any]) -> bool:
    return not _required(field) and bool(getattr(value, field.name) == _default(field))


def _comments(cls: Any) -> dict[str, str]:
    """Return the comment that stands behind each field in the source, also in base classes."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            lines = inspect.getsource(base).splitlines()
            hits = (match for line in lines if (match := _COMMENT.match(line)))
            found.update({hit["name"]: cell(hit["text"]) for hit in hits})
    return found


def cell(text: str) -> str:
    """Return text that does not end a table's cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    load_all()
    print(components(sys.argv[1]))
