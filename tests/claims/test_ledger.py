from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from holdfast.claims import Ledger, Segment, ledger
from holdfast.claims.text import compact_bytes
from holdfast.components import digest
from holdfast.errors import StorageError

KEY = {"model": "m" * 8, "attack": "apgd", "radius": 0.2, "ids": [0, 1, 2], "seed": 0}
ROWS = ({"id": 0, "harm": 0.5}, {"id": 1, "harm": -0.25}, {"id": 2, "harm": None})


def segment(value: float = 0.5) -> Segment:
    evidence = {"ids": torch.tensor([0]), "x_adv": torch.full((1, 1, 4, 4), value)}
    return Segment(rows=ROWS, evidence=evidence, notes={"seconds": 1.5})


def equal(a: Segment, b: Segment) -> bool:
    tensors = a.evidence.keys() == b.evidence.keys() and all(
        torch.equal(a.evidence[name], b.evidence[name]) for name in a.evidence
    )
    return tensors and a.rows == b.rows and a.notes == b.notes


def test_a_segment_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Ledger(tmp_path)
    assert not store.has(KEY)
    store.write(KEY, segment())
    assert store.has(KEY)
    assert equal(store.read(KEY), segment())
    assert Ledger(tmp_path).keys() == [KEY]


def test_a_segment_without_evidence_is_one_file(tmp_path: Path) -> None:
    store = Ledger(tmp_path)
    store.write(KEY, Segment(rows=ROWS))
    assert len(list(tmp_path.iterdir())) == 1
    assert store.read(KEY).evidence == {}


def test_any_part_of_the_key_separates_segments(tmp_path: Path) -> None:
    store = Ledger(tmp_path)
    store.write(KEY, segment())
    for name in KEY:
        assert not store.has({**KEY, name: "other"})
    reordered = dict(reversed(KEY.items()))
    assert store.has(reordered)


def test_non_contiguous_evidence_is_stored_by_value(tmp_path: Path) -> None:
    x = torch.rand(4, 3, 5, 5).to(memory_format=torch.channels_last)[::2]
    Ledger(tmp_path).write(KEY, Segment(rows=ROWS, evidence={"x_adv": x}))
    assert torch.equal(Ledger(tmp_path).read(KEY).evidence["x_adv"], x)


@pytest.mark.parametrize("writes_before_the_kill", [0, 1])
def test_a_kill_between_writes_leaves_no_half_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes_before_the_kill: int
) -> None:
    done = []
    real = ledger.write_atomic

    def killed(path: Path, data: bytes) -> None:
        if len(done) == writes_before_the_kill:
            raise KeyboardInterrupt
        done.append(path)
        real(path, data)

    monkeypatch.setattr(ledger, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        Ledger(tmp_path).write(KEY, segment())
    monkeypatch.undo()
    again = Ledger(tmp_path)
    assert not again.has(KEY)
    assert again.keys() == []
    again.write(KEY, segment())
    assert equal(again.read(KEY), segment())
    assert len(list(tmp_path.iterdir())) == 2  # the same evidence got the same name


def test_evidence_is_on_disk_before_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    monkeypatch.setattr(ledger, "write_atomic", lambda path, data: order.append(path.suffix))
    Ledger(tmp_path).write(KEY, segment())
    assert order == [".safetensors", ".json"]


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    store = Ledger(tmp_path)
    store.write(KEY, segment())
    for path in sorted(tmp_path.iterdir()):
        original = path.read_bytes()
        for at in range(len(original)):
            path.write_bytes(original[:at] + bytes([original[at] ^ 1]) + original[at + 1 :])
            with pytest.raises(StorageError, match=path.name):
                store.read(KEY)
        path.write_bytes(original)
    assert equal(store.read(KEY), segment())


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_truncated_file_is_named_with_the_fix(tmp_path: Path, suffix: str, keep: int) -> None:
    store = Ledger(tmp_path)
    store.write(KEY, segment())
    [path] = [item for item in tmp_path.iterdir() if item.suffix == suffix]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StorageError, match=rf"{path.name} is truncated or altered.*delete"):
        store.read(KEY)


def test_missing_evidence_and_a_renamed_segment_are_noticed(tmp_path: Path) -> None:
    store = Ledger(tmp_path)
    store.write(KEY, segment())
    [rows] = tmp_path.glob("*.json")
    other = {**KEY, "seed": 1}
    store.write(other, Segment(rows=ROWS))
    [target] = [item for item in tmp_path.glob("*.json") if item != rows]
    target.write_bytes(rows.read_bytes())
    with pytest.raises(StorageError, match="another key"):
        store.read(other)
    [evidence] = tmp_path.glob("*.safetensors")
    evidence.unlink()
    with pytest.raises(StorageError, match="missing"):
        store.read(KEY)


def test_temporaries_are_ignored_and_removed_once_they_are_old(tmp_path: Path) -> None:
    store = Ledger(tmp_path)
    store.write(KEY, segment())
    young, old = tmp_path / ".tmp-1-a.json", tmp_path / ".tmp-2-b.safetensors"
    for path in (young, old):
        path.write_bytes(b"half")
    an_hour_ago = time.time() - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    again = Ledger(tmp_path)
    assert again.keys() == [KEY]
    assert young.exists()  # another process may be writing it
    assert not old.exists()
    again.clean()
    assert not young.exists()
    assert equal(again.read(KEY), segment())


def test_merging_is_the_union_and_keeps_what_is_there(tmp_path: Path) -> None:
    a, b = Ledger(tmp_path / "a"), Ledger(tmp_path / "b")
    other = {**KEY, "seed": 1}
    a.write(KEY, segment(0.5))
    b.write(KEY, segment(0.75))
    b.write(other, segment(0.25))
    a.merge(b)
    a.merge(b)
    assert len(a.keys()) == 2
    assert equal(a.read(KEY), segment(0.5))
    assert equal(a.read(other), segment(0.25))
    c = Ledger(tmp_path / "c")
    c.merge(b)
    c.merge(a)
    assert equal(c.read(KEY), segment(0.75))


def test_a_row_that_json_cannot_hold_is_refused_before_anything_is_promised(tmp_path: Path) -> None:
    store = Ledger(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        store.write(KEY, Segment(rows=({"harm": float("nan")},)))
    assert not store.has(KEY)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another folder"):
        Ledger(tmp_path / "file" / "ledger")


def test_a_segment_that_lacks_a_part_is_damaged(tmp_path: Path) -> None:
    document = {"key": {}, "rows": []}
    path = tmp_path / f"{digest({})}.json"
    path.write_bytes(compact_bytes({**document, "digest": digest(document)}))
    with pytest.raises(StorageError, match="truncated or altered"):
        Ledger(tmp_path).read({})
