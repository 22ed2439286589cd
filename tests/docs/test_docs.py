"""The documentation says what the code has: pages, snippets, names, commands and words."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import operator
import re
import sys
from pathlib import Path

import pytest
import yaml
from _pytest.mark import ParameterSet

import holdfast
from holdfast import threat
from holdfast.attacks import Result
from holdfast.components import known
from holdfast.losses import Loss
from holdfast.objective import Objective
from holdfast.training import Method, TrainState

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]

# Snippets here need neither data nor training, so they are run and not only compiled.
CHEAP = ("attacks", "losses", "spaces", "methods", "concepts")
NEEDS_FILES = {"concepts/claim.md"}

BANNED = re.compile(r"\b(robust to|secure|safe|immune)\b", re.IGNORECASE)


sys.path.insert(0, str(DOCS))  # as mkdocs runs them
try:
    import families
    import generate
    import measured
finally:
    sys.path.remove(str(DOCS))

generate.load_all()
COMPONENTS = [(kind, name) for kind in generate.FOLDERS for name in known(kind)]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _snippets(language: str) -> list[ParameterSet]:
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [
        pytest.param(_name(path), code, id=f"{_name(path)}-{i}")
        for path in TEXTS
        for i, code in enumerate(fence.findall(path.read_text("utf-8")), start=1)
    ]


def _cheap(snippet: ParameterSet) -> bool:
    page = str(snippet.values[0]).removeprefix("docs/")
    return page.startswith(CHEAP) and page not in NEEDS_FILES


def _nav_pages(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        return [page for value in nav.values() for page in _nav_pages(value)]
    assert isinstance(nav, list)
    return [page for value in nav for page in _nav_pages(value)]


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_every_component_has_a_page_with_use_and_fields(kind, name):
    text = (DOCS / generate.page_of(kind, name)).read_text("utf-8")
    assert text.startswith("# ")
    cls = known(kind)[name]
    has_fields = generate.fields(kind, name) != "It has no fields."
    assert not has_fields or f"<!-- fields: {kind}/{name} -->" in text
    assert cls.__name__ in text


def test_every_page_is_in_the_navigation_once():
    # mkdocs.yml may name Python objects, which a plain reader refuses; none are used here.
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    pages = _nav_pages(families.navigation(nav))
    assert sorted(pages) == sorted(path.relative_to(DOCS).as_posix() for path in PAGES)


def test_every_file_that_a_page_shows_is_there_and_run():
    shown = {
        name
        for path in PAGES
        for name in re.findall(r"<!-- file: (\S+) -->", path.read_text("utf-8"))
    }
    assert all((ROOT / name).is_file() for name in shown)
    examples = {f"examples/own_{kind}.py" for kind in ("attack", "space", "method", "suite")}
    assert examples <= shown  # which tests/examples runs, as tests/test_plugins.py does the others


def test_the_tables_of_attacks_say_where_each_works_and_how_it_fared(tmp_path, monkeypatch):
    columns = "norm|budget|pool|attack|complete|mean|failed"
    rows = ["L2|200|holdfast|fmn|True|0.8|0", "L2|600|holdfast|fmn|True|0.9123|0"]
    rows += ["L2|2000|holdfast|fmn|False|0.99|0", "L1|200|holdfast|fmn|True|0.5|0"]
    rows += ["L2|600|adv-lib|ddn|True|0.7|0", "L2|200|holdfast|apgd margin|True|0.6|0"]
    rows += ["Linf|200|holdfast|apgd dlr|True|0.6|0", "L2|200|holdfast|radius_search|True|0.0|6"]
    file = tmp_path / "optimality.json"
    monkeypatch.setattr(families, "OPTIMALITY", file)
    assert families.optimality() == {}
    file.write_text(json.dumps({"summary_columns": columns, "summary": rows}))
    text = families.attacks().replace("\N{NO-BREAK SPACE}", " ")
    lines = [line for line in text.splitlines() if line.startswith("| [`")]
    table = {line.split("`")[1]: line.strip("| ").split(" | ") for line in lines}
    assert set(table) == set(known("attack"))
    assert len(lines) == len(table)
    assert table["fmn"][2] == "Linf, L2, L1, L0, PixelL0"
    assert table["fmn"][-1] == "L1 0.50 (200), L2 0.91 (600)"
    assert table["ddn"][2] == "L2"
    assert table["ddn"][-1] == "-"
    assert table["apgd"][-1] == "L2 0.60 (200)"
    assert table["pgd"][2] == "any set"
    # What raised on every network was not measured, whatever the mean of nothing is.
    assert table["radius_search"][2] == "nearest"
    assert "0.00" not in table["radius_search"][-1]
    assert "They look for the nearest counterexample" in text.split("## Minimum norm")[1]


def test_a_part_of_an_attack_is_on_the_page_that_asks_for_its_fields():
    assert generate.page_of("attack", "restart") == "attacks/restarts.md"
    assert generate.page_of("attack", "target_rank") == "attacks/each-target.md"
    assert generate.page_of("attack", "to_nearest") == "attacks/malt.md"
    assert generate.page_of("universal", "uap") == "attacks/universal.md"


def test_every_attack_page_says_what_was_measured():
    pages = {generate.page_of(kind, name) for kind, name in COMPONENTS if kind == "attack"}
    for page in {*pages, "attacks/universal.md"}:
        assert measured.section(page).startswith("## Measured\n\n")
    assert measured.section("attacks/index.md") == ""
    alone = "Not measured against another library in `benchmarks/`."
    assert alone in measured.section("attacks/leap.md")
    fmn = measured.section("attacks/fmn.md")
    assert alone not in fmn
    for script in ("first_figures", "speed", "optimality"):
        assert f"python benchmarks/attacks/{script}.py" in fmn


def test_results_name_attacks_that_there_are():
    # A rename is said in measured.NOW, so that no figure is lost.
    labels = {measured._at(row).attack for row in measured.load("speed")["rows"]}
    for file in measured.OPTIMALITY:
        labels |= {measured.now(row["attack"]).attack for row in measured._ours(file)}
    labels |= {measured.now(row["attack"]).attack for row in measured.load("first_figures")["rows"]}
    assert labels <= {*known("attack"), *known("universal")}


def test_attacks_that_are_ours_alone_say_so():
    ours = {name for name, cls in known("attack").items() if cls.baseline}
    text = families.attacks()
    assert {row.split("`")[1] for row in text.splitlines() if "*ours*" in row} == ours
    assert {row.split("`")[1] for row in families.ours().splitlines()[2:]} == ours
    page = (DOCS / "attacks" / "leap.md").read_text("utf-8")
    marked = families.marked(page, "attacks/leap.md")
    assert marked.startswith('# Leap\n\n!!! note "Ours alone"')
    assert "take [PGD](pgd.md), or [StAdv](stadv.md) in Flow." in marked
    assert families.marked(page, "attacks/pgd.md") == page


def test_the_table_of_capabilities_has_all_of_them():
    rows = families.capabilities().splitlines()[2:]
    offered = {row.split("`")[1]: row.strip("| ").split(" | ")[-1] for row in rows}
    assert {f"Trait.{trait.name}" for trait in threat.Trait} | {"Boxed"} < set(offered)
    assert all(operator.attrgetter(name)(threat) for name in offered)
    assert offered["Trait.VECTOR"] == "all but CommonCorruptions"
    assert offered["Trait.CONVEX"] == "Linf, L2, L1"
    assert offered["Finite"] == "CommonCorruptions"


@pytest.mark.parametrize(
    ("page", "cls"),
    [
        ("space", threat.Region),
        ("loss", Loss),
        ("method", Method),
        ("result", Result),
        ("objective", Objective),
        ("train-state", TrainState),
    ],
)
def test_the_parts_of_a_noun_are_those_of_its_class(page, cls):
    text = (DOCS / "concepts" / f"{page}.md").read_text("utf-8")
    cells = re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)
    parts = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    own = {*vars(cls), *cls.__annotations__}
    named = {part.split("(")[0] for part in parts} & own
    for part in parts:
        name, _, arguments = part.partition("(")
        if name in own and arguments:
            expected = list(inspect.signature(getattr(cls, name)).parameters)
            written = [word.split("=")[0] for word in arguments.rstrip(")").split(", ") if word]
            assert len(written) == len(expected) - 1, f"{page}: {part}, not {expected}"
    # Of a class that others fill in, all parts are said; of one that is only used, the main ones.
    if cls in (threat.Region, Loss, Method):
        public = {name for name in own if not name.startswith("_")}
        assert public - named <= {"kind", "x", "radius", "needs_reference", "slip"}
    assert len(named) >= 3


@pytest.mark.parametrize(("page", "code"), _snippets("python"))
def test_python_snippets_compile_and_name_what_exists(page, code):
    tree = ast.parse(code, page)
    for node in ast.walk(tree):
        chain = _chain(node) if isinstance(node, ast.Attribute) else None
        if chain and chain[0] in ("hf", "holdfast"):
            _resolve(chain[1:], page)


def _chain(node: ast.expr) -> list[str] | None:
    """Return ["hf", "attacks", "PGD"] for `hf.attacks.PGD`, None where the root is no name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        chain = _chain(node.value)
        return None if chain is None else [*chain, node.attr]
    return None


def _resolve(names: list[str], page: str) -> None:
    found: object = holdfast
    for name in names:
        assert hasattr(found, name), f"{page}: {found!r} has no {name!r}"
        found = getattr(found, name)


@pytest.mark.parametrize(("page", "code"), [s for s in _snippets("python") if _cheap(s)])
def test_cheap_snippets_run(page, code, capsys):
    exec(compile(code, page, "exec"), {"__name__": "snippet"})


def test_the_quickstart_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["quickstart.py"])
    codes = [s.values[1] for s in _snippets("python") if s.values[0] == "docs/quickstart.md"]
    assert "epochs=30" in codes[0]
    for code in codes:
        exec(compile(code.replace("epochs=30", "epochs=2"), "quickstart", "exec"), {})
    shown = capsys.readouterr().out
    assert "This is an UPPER bound" in shown
    assert "Verified:" in shown


def test_readme_and_home_page_show_the_quickstart_s_lines():
    first = {}
    for snippet in _snippets("python"):
        page, code = snippet.values
        first.setdefault(page, code.splitlines()[:6])
    assert first["README.md"] == first["docs/index.md"] == first["docs/quickstart.md"]


def test_commands_are_verbs_of_the_command_line():
    from typer.main import get_command

    from holdfast.cli.app import app

    verbs = set(get_command(app).commands)
    for snippet in [*_snippets("console"), *_snippets("bash")]:
        page, text = snippet.values
        for verb in re.findall(r"^\$? ?holdfast ([a-z]+)", text, re.MULTILINE):
            assert verb in verbs, f"{page}: there is no `holdfast {verb}`"


@pytest.mark.parametrize("path", TEXTS, ids=_name)
def test_no_words_that_need_a_certificate(path):
    lines = path.read_text("utf-8").splitlines()
    # A page may quote the banned words in backticks, to say that they are banned.
    found = [line for line in lines if BANNED.search(re.sub(r"`[^`]*`", "", line))]
    assert not found


@pytest.fixture
def hooks(monkeypatch):
    pytest.importorskip("latex2mathml", reason="the extra `docs` is not installed")
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module("hooks")


def test_math_becomes_mathml_without_scripts(hooks):
    page = hooks.on_page_content(r'<p>A <span class="arithmatex">\(x &lt; \varepsilon\)</span></p>')
    assert "<math" in page
    assert "arithmatex" not in page


def test_no_command_of_an_equation_is_left_as_it_is_written(hooks):
    for path in PAGES:
        for equation in re.findall(r"\$\$(.+?)\$\$", path.read_text("utf-8"), re.DOTALL):
            drawn = hooks.on_page_content(rf'<div class="arithmatex">\[{equation}\]</div>')
            assert "\\" not in drawn, f"{_name(path)}: {equation}"


def test_cells_of_wide_tables_are_labelled_where_they_hold_sentences(hooks):
    def table(text, columns):
        head, row = "<th><code>a</code></th>" * columns, f"<td>{text}</td>" * columns
        return f"<table><tr>{head}</tr><tr>{row}</tr></table>"

    sentence = "A search that takes more than one line of a phone."
    assert hooks.on_page_content(table(sentence, 4)).count('<td data-label="a">') == 4
    assert hooks.on_page_content(table("0.51", 4)) == table("0.51", 4)
    assert hooks.on_page_content(table(sentence, 3)) == table(sentence, 3)
