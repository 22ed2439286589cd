"""The public names: stated once, loaded when used, seen by type checkers, enough for the docs."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import holdfast as hf
from public import offered, rooms
from tiny import with_source

ROOT = Path(__file__).resolve().parents[2]
STUB = Path(hf.__file__).with_suffix(".pyi")
TEXTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)

SCRIPT = """\
import holdfast as hf

reveal_type(hf.MTLIBP())
reveal_type(hf.TRADES)
reveal_type(hf.spaces.L2(eps=0.5))
reveal_type(hf.attack)
hf.Tradez()
hf.attacks.PGDD()
"""
TYPES = """\
script.py:3: note: Revealed type is "holdfast.training.methods.mtl_ibp.MTLIBP"
script.py:4: note: Revealed type is "def (*, beta: float =, \
attack: holdfast.attacks.<>.Attack =) -> holdfast.training.methods.trades.TRADES"
script.py:5: note: Revealed type is "holdfast.spaces.<>.L2"
script.py:6: note: Revealed type is "def (model: Any, x: Any, y: Any, *, threat: \
holdfast.threat.model.ThreatModel, attack: holdfast.attacks.<>.Attack | str | None =, \
targets: Any =, seed: int | None =, ids: Any =, surrogate: Any =) -> holdfast.attacks.<>.Result"
script.py:7: error: Module has no attribute "Tradez"  [attr-defined]
script.py:8: error: Module has no attribute "PGDD"; maybe "PGD"?  [attr-defined]
Found 2 errors in 1 file (checked 5 source files)
"""
# The bodies of Holdfast's functions and the packages below it are not what a script's types need.
SETTINGS = """\
[mypy]
strict = True
[mypy-holdfast.*]
ignore_errors = True
[mypy-torch.*,numpy.*,sklearn.*,PIL.*,rich.*,jinja2.*,safetensors.*,yaml.*,typer.*]
follow_imports = skip
"""


@pytest.mark.parametrize("name", hf.__all__)
def test_every_public_name_is_found_by_itself(name):
    assert hf.__getattr__(name) is getattr(hf, name)  # as if nothing had imported it before


def test_the_stub_says_nothing_but_names_of_its_own():
    body = ast.parse(STUB.read_text("utf-8")).body
    aliases = [alias for node in body[:-1] for alias in node.names]
    assert all(alias.name == alias.asname for alias in aliases)
    assert [alias.name for alias in aliases] == hf.__all__
    assert ast.unparse(body[-1]) == "__version__: str"


def test_rooms_load_in_a_fresh_process():
    code = f"import holdfast as hf; print(*(getattr(hf, room).__name__ for room in {[*rooms()]}))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=with_source(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"holdfast.{room}" for room in rooms()]


def test_a_strict_type_checker_sees_the_types_and_the_slips_of_a_script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    own = [shutil.copy(path, tmp_path) for path in (ROOT / "examples").glob("own_[amsp]*.py")]
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "mypy", f"--cache-dir={os.devnull}", "script.py", *own]
    environment = {**with_source(), "MYPYPATH": with_source()["PYTHONPATH"]}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    found = re.sub(r"(holdfast\.(?:attacks|spaces))\.[a-z_.0-9]+\.", r"\1.<>.", done.stdout)
    assert found == TYPES


@pytest.mark.slow
def test_the_wheel_has_the_stub_and_what_else_is_no_code(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("holdfast-*.whl")
    there = set(zipfile.ZipFile(wheel).namelist())
    here = [path for path in (ROOT / "src").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.relative_to(ROOT / "src").as_posix() for path in here} <= there


def codes() -> list:
    """The Python of every page and every example."""
    found = []
    for path in sorted(TEXTS):
        text = path.read_text("utf-8")
        name = path.relative_to(ROOT).as_posix()
        each = [text] if path.suffix == ".py" else FENCE.findall(text)
        found += [pytest.param(code, id=f"{name}-{i}") for i, code in enumerate(each, start=1)]
    return found


def used(code: str) -> set[str]:
    """What Python takes from Holdfast, as in "attacks.PGD.steps"."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            found.add(re.sub(r"^hf\.", "holdfast.", ast.unparse(node)))
    chains = (name.removeprefix("holdfast.") for name in found if name.startswith("holdfast."))
    return {name for name in chains if re.fullmatch(r"[\w.]+", name)}


@pytest.mark.parametrize("code", codes())
def test_what_pages_and_examples_use_is_public(code):
    public = {f"{name}.{each}" for name, room in rooms().items() for each in offered(room)}
    public |= {*hf.__all__, "__version__"}
    for name in used(code):
        first, *rest = name.split(".")
        assert (f"{first}.{rest[0]}" if rest and first in rooms() else first) in public, name
