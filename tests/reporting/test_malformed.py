"""Whatever stands in a claim, it is shown or refused in one line: never a traceback."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import save

from claim_fixture import make_claim
from holdfast.claims import Claim
from holdfast.errors import StorageError, VerificationError
from holdfast.reporting import print_terminal, to_html, to_markdown
from malformed import VALUES, changed, places, seal


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Claim:
    folder = tmp_path_factory.mktemp("claims") / "small"
    return make_claim(folder, n=12, classes=("a", "b"), gallery=1)


def show(folder: Path) -> str:
    """Load a claim and make every report of it."""
    claim = Claim.load(folder)
    file = io.StringIO()
    print_terminal([claim], Console(file=file, width=100, color_system=None))
    text = f"{claim}{claim!r}{to_html([claim])}{to_markdown([claim])}{file.getvalue()}"
    text.encode()
    return text


def shown_or_refused(folder: Path) -> str | None:
    try:
        return show(folder)
    except (VerificationError, StorageError) as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert len(refusal) < 1000
    return None


def try_all(small: Claim, folder: Path, values: tuple[Any, ...], every: int) -> int:
    """Put each value in each place (one in `every` of them); return how many were shown."""
    copied = small.save(folder)
    count = shown = 0
    for at in places(copied.document):
        for value in values:
            count += 1
            if count % every == 0:
                seal(folder, changed(copied.document, at, value))
                text = shown_or_refused(folder)
                shown += text is not None
                assert text is None or "\x1b" not in text
    return shown


def test_a_value_of_another_kind_in_any_field_is_refused_or_shown(small, tmp_path):
    assert try_all(small, tmp_path / "c", VALUES, every=53) > 0


@pytest.mark.slow
def test_every_value_in_every_field_is_refused_or_shown(small, tmp_path):
    assert try_all(small, tmp_path / "c", VALUES, every=1) > 100


def test_a_missing_or_unknown_field_is_named(small, tmp_path):
    folder = small.save(tmp_path / "c").folder
    for at in list(places(small.document))[::4]:
        document = changed(small.document, at, None)
        parent: Any = document
        for key in at[:-1]:
            parent = parent[key]
        if isinstance(parent, dict) and at[0] not in ("threat", "environment", "files", "training"):
            del parent[at[-1]]
            seal(folder, document)
            shown_or_refused(folder)
    seal(folder, changed(small.document, ("waterfall", 1, "surprise"), 1))
    with pytest.raises(VerificationError, match=r"waterfall\[1\]\.surprise is no field"):
        Claim.load(folder)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (("counts", "broken"), "x", "counts.broken must be a whole number, got 'x'"),
        (("counts", "broken"), True, "counts.broken must be a whole number, got true"),
        (("batch_size",), 10**9, "batch_size must be a whole number in 1..10,000,000"),
        (("batch_size",), 10**6, "contradict each other: its batch size"),
        (("threads",), 10**6, "threads must be a whole number in 1..1,024, got 1000000"),
        (("cost", "seconds"), 10**400, "cost.seconds must be a number in 0..1e"),
        (("model", "range"), [1, 0], "model has a range that does not ascend"),
        (("waterfall", 1, "entered"), 13, "its stages"),
        (("waterfall", 2, "broken"), 10**6, r"waterfall[2] broke more points than entered"),
        (("robust_accuracy", "k"), 13, "robust_accuracy has more points than there are"),
        (("curve", 0, "robust"), {"k": 1}, "curve[0].robust.high is missing"),
        (("data", "ids"), "some", "data.ids must be one of all, got 'some'"),
        (("data", "n"), 0, "data.n must be a whole number in 1..10,000,000, got 0"),
        (("suite", "members"), {}, "suite.members must be a list, got an object of 0 fields"),
        (("files", "../../etc/passwd"), "0" * 64, "a name in files must be the name of a file"),
        (("model", "name"), "n" * 2000, "model.name must be text of at most 1,000 characters"),
        (("checks", 0, "status"), "fine", "checks[0].status must be one of pass, warn, fail"),
        (("threat", "space"), [], "threat.space must be an object, got a list of 0 entries"),
        (("environment", "os"), ["a"], "environment.os must be text or a number, got a list"),
    ],
)
def test_the_message_names_the_field_and_what_it_must_be(small, tmp_path, at, value, message):
    folder = small.save(tmp_path / "c").folder
    seal(folder, changed(small.document, at, value))
    with pytest.raises(VerificationError) as raised:
        Claim.load(folder)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        100_000 * "[" + 100_000 * "]",
        '{"digest": ' + 5000 * '{"a":' + "1" + 5000 * "}" + "}",
        '{"digest": "", "digest": ""}',
        '{"digest": NaN}',
        '{"digest": 1e999}',
        '{"digest": ' + "9" * 5000 + "}",
        '{"digest": "\\ud800"}',
        '"digest"',
        "",
        "\x00",
    ],
)
def test_a_document_that_is_no_claim_is_one_line(tmp_path, text):
    (tmp_path / "claim.json").write_text(text)
    with pytest.raises(VerificationError, match=r"claim\.json (is not whole|was altered)"):
        Claim.load(tmp_path)


ROW = b"id,label,status,size,broken_by\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("per_example.csv", ROW + b"9" * 5000 + b",1,unbroken,,\n"),
        ("per_example.csv", ROW + b"1,1,unbroken,nan,\n"),
        ("per_example.csv", ROW + b"99999999999999999999,1,unbroken,,\n"),
        ("per_example.csv", ROW + b"1,1,sturdy,,\n"),
        ("per_example.csv", ROW + b"1,1,broken,0.1," + b"p" * 5000 + b"\n"),
        ("per_example.csv", ROW + b'1,1,broken,0.1,"' + b"p" * 200_000),
        ("training.jsonl", b'{"epoch": 1e999}\n'),
        ("training.jsonl", b"[" * 100_000 + b"\n"),
        ("training.jsonl", b'{"epoch": 1000000000000000000000000}\n'),
        ("training.jsonl", b'{"epoch": 1, "event": ["a"]}\n'),
        ("training.jsonl", b'\xff\xfe{"epoch": 1}\n'),
        ("training.jsonl", b'"epoch"\n'),
        ("gallery.safetensors", b"\xff" * 8 + b"{}"),
        ("gallery.safetensors", (10**12).to_bytes(8, "little") + b"{" * 100),
        ("gallery.safetensors", b""),
    ],
)
def test_a_file_that_is_no_file_of_a_claim_is_one_line(small, tmp_path, name, content):
    assert refused_with(small, tmp_path / "c", name, content)


def refused_with(small: Claim, folder: Path, name: str, content: bytes) -> bool:
    """Return True if a claim with another content of one file, and its digest, is refused."""
    folder = small.save(folder).folder
    (folder / name).write_bytes(content)
    document = changed(small.document, ("files", name), hashlib.sha256(content).hexdigest())
    return shown_or_refused(seal(folder, document)) is None


X = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1])


@pytest.mark.parametrize(
    "tensors",
    [
        {"x": X, "x_adv": X, "y": Y.double()},
        {"x": X, "x_adv": X, "y": torch.tensor(1)},
        {"x": X, "x_adv": X[:, :, :3].clone(), "y": Y},
        {"x": X > 0.5, "x_adv": X, "y": Y},
        {"x": X.to(torch.float8_e4m3fn), "x_adv": X, "y": Y},
        {"x": torch.zeros(2, 0), "x_adv": torch.zeros(2, 0), "y": Y},
        {"x": Y.float(), "x_adv": Y.float(), "y": Y},
        {"x": X, "x_adv": X, "y": Y, "ids": Y.float()},
        {"x": X, "x_adv": X, "y": Y, "logits": torch.zeros(3, 2)},
        {"x": X, "x_adv": X, "y": torch.tensor([[0], [1]])},
    ],
)
def test_tensors_of_another_shape_or_type_are_one_line(small, tmp_path, tensors):
    content = save({name: tensor.clone() for name, tensor in tensors.items()})
    assert refused_with(small, tmp_path / "c", "gallery.safetensors", content)


def test_complex_tensors_are_one_line(small, tmp_path):
    # safetensors writes them from 0.7 on; a number of type C64 has the size of one of F64
    content = save({"x": X.double(), "x_adv": X, "y": Y}).replace(b'"F64"', b'"C64"')
    assert refused_with(small, tmp_path / "c", "gallery.safetensors", content)


def test_a_report_shows_odd_numbers_and_names_as_text(small, tmp_path):
    folder = small.save(tmp_path / "c").folder
    logits = torch.full((2, 3), torch.nan)
    odd = {"x": X * torch.inf, "x_adv": X * torch.nan, "y": Y + 5, "logits": logits}
    lines = [{"epoch": 1, "train_loss": 1e300, "clean": -5}, {"epoch": 10**9, "robust": 1e11}]
    document = changed(small.document, ("model", "name"), "\x1b]0;owned\x07\u202eevil\u2028")
    for name, content in (
        ("gallery.safetensors", save(odd)),
        ("training.jsonl", "\n".join(map(json.dumps, lines)).encode()),
    ):
        (folder / name).write_bytes(content)
        document["files"][name] = hashlib.sha256(content).hexdigest()
    text = show(seal(folder, document))
    assert r"\x1b]0;owned\x07\u202eevil" in text
    assert not set(text) & set("\x1b\x07\u202e\u2028")


@pytest.mark.parametrize("name", ["claim.json", "per_example.csv", "gallery.safetensors"])
def test_a_pipe_or_a_device_in_the_place_of_a_file_does_not_block(small, tmp_path, name):
    folder = small.save(tmp_path / "c").folder
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(StorageError, match="no ordinary file"):
        Claim.load(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(StorageError, match="no ordinary file"):
        Claim.load(folder)


def test_a_file_of_absurd_size_is_not_read(small, tmp_path):
    folder = small.save(tmp_path / "c").folder
    for name in ("gallery.safetensors", "claim.json"):
        with open(folder / name, "r+b") as file:
            file.truncate(2**35)
        with pytest.raises(StorageError, match=rf"{name}: of its 34,359,738,368 bytes at most"):
            Claim.load(folder)
