"""Which names are public: those of the package's stub, and what each room that it names offers."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import holdfast as hf


def rooms() -> dict[str, ModuleType]:
    """The modules among the public names."""
    return {name: room for name in hf.__all__ if isinstance(room := getattr(hf, name), ModuleType)}


def offered(room: ModuleType) -> set[str]:
    """What a room re-exports, or of a room that is one file, what is defined there."""
    assert room.__file__ is not None
    found: set[str] = set()
    for node in ast.parse(Path(room.__file__).read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names if alias.asname == alias.name}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    found |= set(getattr(room, "__all__", ()))
    return {name for name in found if not name.startswith("_")}
