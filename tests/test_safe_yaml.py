"""A YAML text of a few lines is never more than a few values."""

from __future__ import annotations

import pytest

from holdfast import config
from holdfast.errors import ConfigError
from holdfast.safe_yaml import parse_yaml


def doubled(levels, pair):
    """Return a text in which each line stands for the one before it twice."""
    lines = [f"a{i}: &a{i} {pair(i)}" for i in range(1, levels)]
    return "\n".join(["a0: &a0 [1e-3, x]", *lines])


REFUSED = {
    "laughs": (doubled(40, lambda i: f"[*a{i - 1}, *a{i - 1}]"), "more than 10,000 values"),
    "maps": (doubled(40, lambda i: f"{{p: *a{i - 1}, q: *a{i - 1}}}"), "more than 10,000 values"),
    "wide": (f"a: &a [{'1, ' * 300}]\nb: [{'*a, ' * 300}]", "more than 10,000 values"),
    "endless": ("a: &a [1, *a]", "an alias stands inside of its own anchor"),
    "endless map": ("a: &a {b: {c: *a}}", "an alias stands inside of its own anchor"),
    "deep": ("[" * 20_000, "nested more than 64 levels"),
    "deep map": ("\n".join(f"{' ' * i}a:" for i in range(100)), "nested more than 64 levels"),
    "deep json": ('{"a":' * 5_000 + "1" + "}" * 5_000, "nested more than 64 levels"),
    "long": ("# " + "x" * 2**20, "at most 1,048,576 are read"),
    "date": ("when: 2026-13-45", "month must be in"),
    "number": ("n: " + "1" * 5_000, "integer string conversion"),
    "tagged": ("yes: !!bool perhaps", "a value that cannot be read"),
    "twice": ("a: 1\na: 2", "the key 'a' comes twice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_multiplies_or_does_not_read_is_one_line(case):
    text, words = REFUSED[case]
    with pytest.raises(ConfigError, match=words) as caught:
        parse_yaml(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_aliases_and_numbers_are_read():
    found = parse_yaml("a: &a {lr: 1e-3}\nb: [*a, *a]", "mine.yaml")
    assert found == {"a": {"lr": 0.001}, "b": [{"lr": 0.001}] * 2}
    assert len(parse_yaml("[" + "1, " * 2000 + "]", "mine.yaml")) == 2000


def test_changes_on_the_command_line_have_the_same_limits():
    bomb = "{" + doubled(30, lambda i: f"[*a{i - 1}, *a{i - 1}]").replace("\n", ", ") + "}"
    for change in (f"threat={bomb}", f"plan.optimizer={'[' * 300}"):
        with pytest.raises(ConfigError, match=r"10,000 values|64 levels"):
            config.build("train", {}, [change])
    with pytest.raises(ConfigError, match="10,000 values"):
        config.parse_file(f"train: {bomb}", "train", "mine.yaml")
