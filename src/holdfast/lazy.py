"""Lazy imports: the public names of a package, read from its stub, imported when first used."""

from __future__ import annotations

import ast
from importlib import import_module
from typing import Any

PACKAGE = __name__.rpartition(".")[0]


def public_names(stub: str) -> dict[str, str]:
    """Return each name that a stub file re-exports (`from home import name as name`), with home."""
    with open(stub, encoding="utf-8") as file:  # without pathlib, which takes as long as all this
        tree = ast.parse(file.read())
    return {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def fetch(name: str, home: str) -> Any:
    """Import a public name: of the package itself a module, of a module a name in it."""
    if home == PACKAGE:
        return import_module(f"{PACKAGE}.{name}")
    return getattr(import_module(home), name)


def instead(name: str, homes: dict[str, str]) -> str:
    """Return where an unknown name is, or our name for one of another library."""
    if name.startswith("_"):
        return ""
    for room in (each for each, home in homes.items() if home == PACKAGE):
        found = getattr(fetch(room, PACKAGE), name, None)
        if str(getattr(found, "__module__", "")).startswith(f"{PACKAGE}.{room}"):
            return f"; it is hf.{room}.{name}"
    translation = fetch("translation", PACKAGE)
    return str(translation.hint("method", name) or translation.hint("attack", name))
