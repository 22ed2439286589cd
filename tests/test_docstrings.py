"""Docstrings that a stranger understands: noun phrases for things, verbs for functions."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import holdfast

SOURCE = Path(holdfast.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# Words that open a clause where a noun would say what the thing is.
CLAUSE = re.compile(r"(What|Where|How|When|Whether|Who|Whose|Which|Why|From|That)\b")
NOUN = re.compile(r"(A|An|The|Each|Every|All|One|Any|No|\()\b|\(")


def first_lines(path: Path):
    """Yield each definition of a file and the first line of its docstring."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node, text.splitlines()[0]


def is_property(node: ast.AST) -> bool:
    names = {ast.unparse(item).split(".")[-1] for item in getattr(node, "decorator_list", ())}
    return bool(names & {"property", "cached_property", "fixture"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_things_are_named_by_nouns_and_functions_by_verbs(path):
    for node, line in first_lines(path):
        where = f"{path.name}: {getattr(node, 'name', 'module')}: {line}"
        assert not CLAUSE.match(line), where
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_property(node):
            assert not NOUN.match(line), f"{where}: begin with Return, Yield, Raise or a verb"
            assert not re.match(r"(Say|Tell)s? (whether|if)\b", line), f"{where}: Return True if"
