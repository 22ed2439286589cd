"""Options that are short for a --set, those of other tools, and --version."""

from __future__ import annotations

import re

import pytest
import torch

import holdfast as hf
from holdfast.cli import subject, verbs

TRAIN = ("train", "digits_linf")


@pytest.fixture
def settings(holdfast, monkeypatch):
    """Return the configuration that a command would run."""

    def read(*words):
        seen = []
        for verb in ("train", "attack", "evaluate"):
            monkeypatch.setattr(
                verbs,
                verb,
                lambda recipe, given, changes, v=verb, **_: seen.append(
                    subject.configuration(v, recipe, given, changes)
                ),
            )
        ran = holdfast(*words)
        assert ran.err == ""
        return seen[0]

    return read


def test_version_says_what_a_bug_report_needs(holdfast):
    ran = holdfast("--version")
    assert ran.status == 0
    # As pip says it: the version of a build from PyPI may lack the "+cu124" that PyTorch adds.
    torchs = re.escape(torch.__version__.partition("+")[0]) + r"\S*"
    line = rf"holdfast {hf.__version__} \(Python 3\.\S+, PyTorch {torchs}, \w+\)\n"
    assert re.fullmatch(line, ran.out)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ((*TRAIN, "--epochs", "3"), (*TRAIN, "--set", "plan.epochs=3")),
        ((*TRAIN, "--method", "trades"), (*TRAIN, "--set", "method=trades")),
        ((*TRAIN, "--lr", "0.00001"), (*TRAIN, "--set", "plan.optimizer.lr=0.00001")),
        ((*TRAIN, "--batch-size", "7"), (*TRAIN, "--set", "plan.batch_size=7")),
        (("attack", "--steps", "9"), ("attack", "--set", "attack.steps=9")),
        (("attack", "--batch-size", "9"), ("attack", "--set", "batch_size=9")),
        (("evaluate", "--batch-size", "9"), ("evaluate", "--set", "batch_size=9")),
        (  # a component first, what --set changes in it, then fields of what --set chose
            (*TRAIN, "--set", "method.beta=3", "--set", "plan.optimizer=adamw",
             "--method", "trades", "--lr", "0.5"),
            (*TRAIN, "--set", "method=trades", "--set", "method.beta=3",
             "--set", "plan.optimizer=adamw", "--set", "plan.optimizer.lr=0.5"),
        ),
    ],
)  # fmt: skip
def test_an_option_is_the_same_as_its_set(settings, short, long):
    assert settings(*short) == settings(*long)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*TRAIN, "--epochs", "2", "--set", "plan.epochs=3"), "--epochs and --set plan.epochs=3"),
        ((*TRAIN, "--method", "fast", "--set", "method=madry"), "--method and --set method=madry"),
        (("attack", "--batch-size", "2", "--set", "batch_size=3"), "--batch-size and --set"),
        (("evaluate", "--attack", "pgd"), "no such option: --attack: a suite runs several"),
        (("attack", "--eps", "8/255"), "write --threat linf:8/255"),
        (("train", "--learning-rate", "1"), "here it is called --lr"),
        ((*TRAIN, "--method", "tradez"), "did you mean 'trades'"),
        (("attack", "--attack", "square", "--steps", "3"), "unknown key 'steps' in square"),
    ],
)
def test_mistakes_are_one_line(holdfast, words, message):
    ran = holdfast(*words)
    assert ran.status == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1
