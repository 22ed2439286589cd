"""Every command that documentation and help print works as printed, page by page, from the top.

What a reader brings is made up in the folder: sets of a few small images, a network and its
weights. What only costs time is replaced: networks, epochs, suites and the size of subsets; with
`-m slow` the networks are those that are named.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from typer.main import get_command

import holdfast as hf
from holdfast import config, recipes
from holdfast.cli.app import app
from holdfast.data.examples import from_tensors
from installed import SIGNS, write_example
from printed import few_digits, make_key, make_onnx, run_line

ROOT = Path(__file__).resolve().parents[2]
FRESH = ("README.md", "docs/quickstart.md")  # pages to be followed from nothing
GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(python|console|bash|yaml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OTHERS = {"make", "pip", "python", "torchrun", "ssh-keygen", "git"}  # programs that are not ours
CHEAPER = (
    (r"epochs([= ])\d+", r"epochs\g<1>1"),
    (r'"preactresnet18"', '"mlp"'),
    (r"--model preactresnet18", "--model mlp"),
    (r'suite="standard"', 'suite="quick"'),
    (r"--n \d+", "--n 6"),
    (r"--replay \d+", "--replay 2"),
)
OWN_NETWORKS = tuple(pair for pair in CHEAPER if "preactresnet18" not in pair[0])
BUILD = "import torch\ndef build():\n    return torch.nn.Sequential({})\n"
LAYERS = "torch.nn.Flatten(), torch.nn.Linear(192, 10)"
LEFT_OUT = {"demo"}  # takes minutes; tests/cli/test_demo.py runs a smaller one
SLOW = {"docs/guides/black-box.md"}  # a suite of searches of thousands of queries


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the blocks of a page, in order: language and text."""
    return BLOCK.findall((ROOT / page).read_text("utf-8"))


COMMANDS = [
    pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else [])
    for page in GUIDES
    if page not in FRESH and any(kind in ("console", "bash") for kind, _ in blocks(page))
]


def lines(text: str) -> list[str]:
    """Return the commands of a block for the shell, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line.removeprefix("$ ") for line in joined if line.strip() and line[0] != "#"]


def cheaper(text: str, replaced: tuple[tuple[str, str], ...]) -> str:
    for pattern, by in replaced:
        text = re.sub(pattern, by, text)
    return text


def cheaper_line(line: str, replaced: tuple[tuple[str, str], ...]) -> str:
    """Return a command that does the same with less work."""
    line = cheaper(line, replaced)
    verb = shlex.split(line)[1]
    if verb == "train" and "epochs" not in line:
        line += " --set plan.epochs=1"
    if verb == "evaluate" and "--suite" not in line:
        line += " --suite quick"
    return line


def follow(line: str, replaced: tuple[tuple[str, str], ...]) -> None:
    """Run a line that is ours; of others the program is known, and so are files of ours."""
    words = [word for word in shlex.split(line, comments=True) if "=" not in word.split("/")[0]]
    if words[0] == "holdfast":
        if words[1] not in LEFT_OUT:
            run_line(cheaper_line(line, replaced))
        return
    assert words[0] in OTHERS, line
    for word in words[1:]:
        assert not word.startswith(("examples/", "benchmarks/", "docs/")) or (ROOT / word).exists()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder with what readers bring: sets, a network with its weights, a key."""
    few = hf.load_data("digits")
    small = from_tensors(
        torch.cat([few.train.batch(torch.arange(120)).x, few.test.batch(torch.arange(30)).x]),
        torch.cat([few.train.y[:120], few.test.y[:30]]),
        name="digits",
        classes=few.test.classes,
    )
    monkeypatch.setattr(sys.modules["holdfast.data.load"], "digits", lambda: small)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HOLDFAST_DATA", raising=False)
    arrays = few_digits(150)
    colors = {k: np.repeat(v[:, None], 3, 1) if k[0] == "x" else v for k, v in arrays.items()}
    np.savez("cifar10.npz", **colors)
    np.savez("data.npz", **arrays)
    Path("mynet.py").write_text(BUILD.format(LAYERS))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    torch.save(network.state_dict(), "mynet.pt")
    return tmp_path


@pytest.fixture
def reader(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same after some work: a run and two claims, and a folder of sets."""
    monkeypatch.setenv("HOLDFAST_DATA", str(here))
    threat = hf.ThreatModel(hf.Linf(eps="8/255"))
    plan = hf.TrainPlan(epochs=1)
    options = {"threat": threat, "method": hf.Standard(), "plan": plan, "quiet": True}
    hf.train("mlp", "cifar10", out="runs/a", **options)
    model = hf.load("runs/a")
    hf.evaluate(model, "cifar10", threat=threat, suite="quick", n=6, out="claims/a", quiet=True)
    shutil.copytree("claims/a", "claims/b")
    return here


def follow_page(page: str, replaced: tuple[tuple[str, str], ...], names: dict[str, object]) -> None:
    for language, text in blocks(page):
        if language == "python":
            exec(compile(cheaper(text, replaced), page, "exec"), names)
        elif language in ("console", "bash"):
            for line in lines(text):
                follow(line, replaced)


def brought() -> dict[str, object]:
    """What the Python of the README takes for granted."""
    splits = hf.load_data("cifar10.npz")
    batch = splits.test.batch(torch.arange(6))
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    data = {"train_data": splits.train, "test_data": splits.test, "x": batch.x, "y": batch.y}
    return {**data, "my_module": network, "mean": (0.5,) * 3, "std": (0.2,) * 3}


@pytest.mark.parametrize("page", FRESH)
def test_a_page_is_followed_from_the_top_in_a_fresh_folder(page, here, capsys):
    follow_page(page, CHEAPER, brought())
    assert (here / "report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", FRESH)
def test_also_with_the_networks_that_it_names(page, here, capsys):
    follow_page(page, OWN_NETWORKS, brought())


@pytest.mark.parametrize("page", COMMANDS)
def test_the_commands_of_a_guide_work(
    page, reader, capsys, monkeypatch, own_components, plugins_anew
):
    if page.endswith("verify.md"):
        make_key(reader / "key")
    if page.endswith("black-box.md"):
        make_onnx(reader / "model.onnx")
    if page.endswith("plug-in.md"):
        write_example(reader / "site")
        monkeypatch.syspath_prepend(reader / "site")
    for language, text in blocks(page):
        for line in lines(text) if language in ("console", "bash") else ():
            follow(line, CHEAPER)
    sys.modules.pop(SIGNS, None)


def test_the_examples_of_every_help_work_one_after_another(here, capsys):
    (here / ".ssh").mkdir()
    make_key(here / ".ssh/id_ed25519")
    for name, command in get_command(app).commands.items():
        shown = str(command.epilog).partition("Example:\n")[2]
        assert shown, name
        for line in lines(re.sub(r"^  ", "", shown, flags=re.MULTILINE)):
            follow(line, CHEAPER)


@pytest.mark.parametrize(
    ("page", "text"), [(p, t) for p in GUIDES for kind, t in blocks(p) if kind == "yaml"]
)
def test_a_file_that_is_shown_is_a_configuration(page, text):
    for command in yaml.safe_load(text):
        config.build(command, config.parse_file(text, command, page))


def test_every_recipe_names_the_folder_that_its_evaluation_reads():
    for name in recipes.names():
        made = {
            c: config.build(c, config.parse_file(*recipes_text(name, c)))
            for c in ("train", "evaluate")
        }
        assert made["evaluate"].model.removesuffix("/last") == made["train"].out


def recipes_text(name: str, command: str) -> tuple[str, str, str]:
    text, source = recipes.read(name)
    return text, command, source
