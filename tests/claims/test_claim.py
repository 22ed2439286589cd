from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claim_fixture import make_claim
from holdfast.claims import Accuracy, Claim, Row, Table, Withheld, claim
from holdfast.claims.text import readable_bytes
from holdfast.components import digest
from holdfast.errors import StorageError, VerificationError


def reseal(folder: Path, change) -> None:
    """Change the document and give it a digest that fits, as a forger would."""
    path = folder / "claim.json"
    document: dict[str, Any] = json.loads(path.read_text())
    del document["digest"]
    change(document)
    path.write_bytes(readable_bytes({**document, "digest": digest(document)}))


def test_a_claim_comes_back_with_all_of_its_parts(tmp_path: Path) -> None:
    written = make_claim(tmp_path / "c", n=200, clean=0.9, robust=0.5)
    found = Claim.load(tmp_path / "c")
    assert found == written
    assert Claim.load(tmp_path / "c" / "claim.json") == written
    assert found.clean_accuracy == Accuracy(180, 200)
    assert found.robust_accuracy == Accuracy(100, 200)
    assert 0 < found.robust_accuracy.low < float(found.robust_accuracy) < found.robust_accuracy.high
    assert found.cost.forward == 1203 * 200
    assert found.cost.seconds == 41.7
    assert found.threat["space"]["type"] == "linf"
    assert found.waterfall[0]["name"] == "clean"
    assert [point["radius"] for point in found.curve] == sorted(p["radius"] for p in found.curve)
    assert found.checks[0]["id"] == "zero-gradient"
    assert "UPPER bound" in str(found)
    assert str(found) in repr(found)


def test_the_table_is_indexed_by_column_and_row(tmp_path: Path) -> None:
    table = make_claim(tmp_path, n=100).per_example
    assert len(table) == 100
    assert table.columns == ("id", "label", "status", "size", "broken_by")
    assert table["id"] == tuple(range(100))
    assert set(table["status"]) <= {"clean-wrong", "broken", "unbroken"}
    first = next(iter(table))
    assert first == table[0]
    assert isinstance(first, Row)
    assert list(table[2:4]["id"]) == [2, 3]
    with pytest.raises(KeyError, match="broken_by"):
        table["nope"]
    broken = [row for row in table if row.status == "broken"]
    assert all(row.broken_by and row.size and row.size <= 0.2 for row in broken)


def test_the_table_survives_csv_exactly() -> None:
    table = Table([Row(0, 1, "broken", 0.1 + 0.2, 'a,"b"'), Row(5, 0, "unbroken", None, None)])
    assert Table.from_csv(table.to_csv()) == table


@pytest.mark.parametrize(
    "data", [b"", b"id,label\n", b"\xff", b"id,label,status,size,broken_by\nx,1,broken,,\n"]
)
def test_a_table_that_is_not_ours_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match=r"per_example\.csv"):
        Table.from_csv(data)


def test_one_changed_byte_anywhere_fails_and_names_the_file(tmp_path: Path) -> None:
    make_claim(tmp_path, n=20, gallery=1, curve=False)
    for path in sorted(tmp_path.iterdir()):
        original = path.read_bytes()
        spread = range(0, len(original), max(1, len(original) // 60))
        for at in {*spread, len(original) - 1}:
            for flip in (1, 0x20):
                path.write_bytes(original[:at] + bytes([original[at] ^ flip]) + original[at + 1 :])
                with pytest.raises(VerificationError, match=path.name):
                    Claim.load(tmp_path)
        for other in (original[:-1], original + b" ", b""):
            path.write_bytes(other)
            with pytest.raises(VerificationError, match=path.name):
                Claim.load(tmp_path)
        path.write_bytes(original)
    Claim.load(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    make_claim(tmp_path, n=20)
    (tmp_path / "evidence-00000.safetensors").unlink()
    with pytest.raises(VerificationError, match=r"evidence-00000\.safetensors is missing"):
        Claim.load(tmp_path)


def test_an_unfinished_folder_is_no_claim(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no finished claim"):
        Claim.load(tmp_path)


def flatter(document: dict[str, Any]) -> None:
    document["robust_accuracy"] = Accuracy(20, 20).plain()


def miscount(document: dict[str, Any]) -> None:
    document["counts"]["unbroken"] += 1
    document["counts"]["broken"] -= 1


def narrow(document: dict[str, Any]) -> None:
    document["robust_accuracy"]["low"] = document["robust_accuracy"]["value"]


def shrink(document: dict[str, Any]) -> None:
    document["data"]["n"] = 10


def forget(document: dict[str, Any]) -> None:
    del document["checks"]


def escape(document: dict[str, Any]) -> None:
    document["files"]["../secret"] = "00"


def rename(document: dict[str, Any]) -> None:
    document["schema"] = "other-1"


@pytest.mark.parametrize("change", [flatter, miscount, narrow, shrink, forget, escape, rename])
def test_a_forged_document_that_contradicts_itself_is_refused(tmp_path: Path, change) -> None:
    make_claim(tmp_path, n=20)
    reseal(tmp_path, change)
    with pytest.raises(VerificationError, match=r"claim\.json"):
        Claim.load(tmp_path)


def test_saving_copies_everything(tmp_path: Path) -> None:
    original = make_claim(tmp_path / "a", n=30)
    copy = original.save(tmp_path / "b")
    assert copy.folder == tmp_path / "b"
    assert copy.document == original.document
    for name in [*original.document["files"], "claim.json"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_kill_at_any_moment_leaves_no_claim_or_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_claim(tmp_path / "old", n=20, robust=0.2)
    new = make_claim(tmp_path / "new", n=20, robust=0.8, seed=1)
    real = claim.write_atomic
    files = len(new.document["files"]) + 1
    for kill_at in range(files + 1):
        target = tmp_path / f"t{kill_at}"
        old.save(target)
        count = iter(range(100))

        def killed(path: Path, data: bytes, at: int = kill_at, count=count) -> None:
            if next(count) == at:
                raise KeyboardInterrupt
            real(path, data)

        monkeypatch.setattr(claim, "write_atomic", killed)
        if kill_at < files:
            with pytest.raises(KeyboardInterrupt):
                new.save(target)
            with pytest.raises(StorageError, match="no finished claim"):
                Claim.load(target)
        else:
            new.save(target)
        monkeypatch.undo()
        assert new.save(target).document == new.document


def test_evidence_of_an_earlier_claim_does_not_stay(tmp_path: Path) -> None:
    new = make_claim(tmp_path / "new", n=20)
    target = tmp_path / "target"
    target.mkdir()
    (target / "evidence-00001.safetensors").write_bytes(b"old")
    new.save(target)
    assert not (target / "evidence-00001.safetensors").exists()


def test_too_many_failures_withhold_the_number(tmp_path: Path) -> None:
    found = make_claim(tmp_path, n=1000, failed=2)
    assert isinstance(found.robust_accuracy, Withheld)
    assert "2 of 1,000" in str(found.robust_accuracy)
    with pytest.raises(ValueError, match="withheld"):
        float(found.robust_accuracy)


def test_saving_to_an_impossible_place_is_one_clear_error(tmp_path: Path) -> None:
    original = make_claim(tmp_path / "a", n=20)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another folder"):
        original.save(tmp_path / "file" / "b")
