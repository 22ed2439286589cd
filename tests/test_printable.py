"""Nothing that is printed can command a terminal or turn a line around."""

from __future__ import annotations

import pytest

from holdfast.errors import ConfigError, HoldfastError, StorageError, did_you_mean
from holdfast.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("robust 8/255, größer, 鲁棒, naïve\u202fµ, 🛡", None),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("user\u202etxt.exe\u2066", r"user\u202etxt.exe\u2066"),
        ("stan\u200bdard\ufeff\u00ad", r"stan\u200bdard\ufeff\xad"),
        ("\udc80 \U000e0041", r"\udc80 \U000e0041"),
        ("one\r\ntwo\tthree\u2028four\x85five", "one two three four five"),
    ],
)
def test_text_is_shown_and_not_obeyed(text, shown):
    assert printable(text) == (text if shown is None else shown)
    assert printable(printable(text)) == printable(text)
    printable(text).encode()


@pytest.mark.parametrize("kind", [HoldfastError, ConfigError, StorageError])
def test_every_error_of_ours_is_fit_to_print(kind):
    error = kind(f"unknown attack 'p\x1b[31mgd\n'{did_you_mean('pgd', ['pgd'])}")
    assert str(error).startswith(r"unknown attack 'p\x1b[31mgd '")
    assert str(error).isprintable()
