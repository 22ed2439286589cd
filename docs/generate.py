"""Tables for the documentation, made from the registry so that they cannot fall behind the code.

Run as a program it prints the table of one kind: `python docs/generate.py attack`.
"""

from __future__ import annotations

import importlib
import pkgutil
import posixpath
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import holdfast
from holdfast import reference
from holdfast.components import known
from holdfast.reference import summary

DOCS = Path(__file__).resolve().parent
BENCHMARKS = DOCS.parent / "benchmarks"

# Kinds whose every component has a page of its own; the others share one page with a table.
FOLDERS = {"space": "spaces", "loss": "losses", "attack": "attacks", "method": "methods"}
_LISTED = re.compile(r"<!-- components: (\w+) -->")
_SHOWN = re.compile(r"<!-- fields: (\w+/\w+) -->")


def load_all() -> None:
    """Import every module of the library, so that every component is registered."""
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def page_of(kind: str, name: str) -> str:
    """Return the path of a component's page below docs/: the page of its own name, if there is one.

    Else the page that asks for its fields, where it is part of another component, or for the table
    of its kind.
    """
    if kind not in FOLDERS:
        return _askers()[kind]
    own = f"{FOLDERS[kind]}/{name.replace('_', '-')}.md"
    return own if (DOCS / own).exists() else _askers().get(f"{kind}/{name}", own)


@cache
def _askers() -> dict[str, str]:
    """Return `kind/name`, or a kind, -> the page of FOLDERS that asks for its fields or table."""
    found = {}
    for folder in FOLDERS.values():
        for path in sorted((DOCS / folder).glob("*.md")):
            text = path.read_text("utf-8")
            asked = [*_SHOWN.findall(text), *_LISTED.findall(text)]
            found |= dict.fromkeys(asked, f"{folder}/{path.name}")
    return found


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
            plain = reference.short(member.attack, budgets=True)
            parts.append(f"| `{member.name}` | `{plain}` | {member.attack.cost()} |")
        parts.append("")
    return "\n".join(parts)


def relative(page: str, source: str) -> str:
    """Return the link to a page from another one."""
    return posixpath.relpath(page, posixpath.dirname(source) or ".")


def fields(kind: str, name: str) -> str:
    """Return the table of one component's fields: name, type, range, default, meaning."""
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in reference.fields(known(kind)[name]):
        given = "required" if field.default is None else f"`{field.default}`"
        bounds = f", {field.range}" if field.range not in field.meaning else ""
        rows.append(
            f"| `{field.name}` | `{field.type}`{bounds} | {given} | {cell(field.meaning)} |"
        )
    return "\n".join(rows) if len(rows) > 2 else "It has no fields."


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


def file(name: str) -> str:
    """Return a file of the repository as a fenced block with its name."""
    language = {".py": "python", ".toml": "toml"}[Path(name).suffix]
    text = (DOCS.parent / name).read_text("utf-8").strip()
    return f'```{language} title="{name}"\n{text}\n```'


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


def _defaults(cls: Any) -> str:
    parts = (
        f"`{field.name}`" if field.default is None else f"`{field.name}={field.default}`"
        for field in reference.fields(cls)
    )
    return ", ".join(parts)


def cell(text: str) -> str:
    """Return text that does not end a table's cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    load_all()
    print(components(sys.argv[1]))
