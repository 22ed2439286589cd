"""Help, exit statuses, one line an error, quick to start."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from holdfast.cli import verbs
from holdfast.cli.main import main
from tiny import with_source

VERBS = ("demo", "train", "attack", "evaluate", "verify", "report", "list")


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_ends_with_an_example(holdfast, verb):
    ran = holdfast(verb, "--help")
    assert ran.status == 0
    assert f"holdfast {verb}" in ran.out.rsplit("Example:", 1)[1]


def test_help_names_every_verb_and_no_words_is_help(holdfast):
    ran = holdfast()
    assert ran.status == 0
    assert all(f"\n  {verb} " in ran.out for verb in VERBS)


def test_help_is_quick_and_imports_no_torch():
    code = (
        "import sys; from holdfast.cli.main import run; run(['--help']); run(['train', '--help']);"
        "sys.exit('torch' in sys.modules)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], env=with_source(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 5  # 0.1 s on an idle machine


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evalute"], "did you mean 'evaluate'"),
        (["train", "--epoch", "3"], "no such option: --epoch|no such option '--epoch'"),
        (["verify"], "missing argument"),
        (["attack", "--n", "many"], "'many'|valid integer"),
    ],
)
def test_usage_errors_are_one_line_with_a_way_on(holdfast, words, message):
    ran = holdfast(*words)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert "see holdfast" in ran.err
    assert any(part in ran.err.lower() for part in message.split("|"))


def test_unexpected_errors_are_one_line_unless_debugging(holdfast, monkeypatch):
    def broken(kind):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(verbs, "list_components", broken)
    ran = holdfast("list")
    assert ran.status == 3
    assert ran.err == (
        "unexpected RuntimeError: first line second line (run again with --debug for the "
        "traceback)\n"
    )
    with pytest.raises(RuntimeError, match="first line"):
        main(["list", "--debug"])


def test_main_exits_with_the_status(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["report", "no-such-claim"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("kind", ["", "attack", "attacks", "recipe", "data", "suite", "network"])
def test_list_shows_what_there_is(holdfast, kind):
    ran = holdfast("list", *([kind] if kind else []))
    assert ran.status == 0
    wanted = {
        "attack": "apgd", "attacks": "square", "recipe": "digits_linf", "data": "digits",
        "suite": "standard-1", "network": "preactresnet18", "": "trades",
    }  # fmt: skip
    assert wanted[kind] in ran.out


def test_list_marks_what_is_ours_alone(holdfast):
    lines = holdfast("list", "attack").out.splitlines()
    assert "Ours alone." in " ".join(lines)
    leap = holdfast("list", "leap").out
    assert "ours alone; published: PGD, or StAdv in Flow" in " ".join(leap.split())
    assert "ours alone" not in holdfast("list", "pgd").out


def test_list_of_something_else(holdfast):
    ran = holdfast("list", "atack")
    assert ran.status == 2
    assert "did you mean attack (kind)" in ran.err
