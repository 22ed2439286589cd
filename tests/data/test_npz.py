"""An .npz file is believed only after its headers, and its labels are labels."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import torch

from holdfast.data import archive, load
from holdfast.errors import InputError

X = np.random.default_rng(0).integers(0, 256, (40, 5, 7), dtype=np.uint8)
Y = np.arange(40) % 4
SET = {"x_train": X, "y_train": Y, "x_test": X[:8], "y_test": Y[:8]}


def saved(path, pack=np.savez, **changes):
    pack(path, **{**SET, **changes})
    return path


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write(path, members, method=zipfile.ZIP_DEFLATED):
    """Write an .npz whose members are given as bytes, or as pieces of them."""
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in members.items():
            with file.open(f"{name}.npy", "w") as member:
                for piece in [data] if isinstance(data, bytes) else data:
                    member.write(piece)
    return path


def swollen(size):
    """Return the pieces of an array of `size` zeros, without holding it."""
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (size // 784, 28, 28)}
    np.lib.format.write_array_header_1_0(header, description)
    zeros = bytes(2**20)
    return [header.getvalue(), *(zeros for _ in range(size // 2**20)), bytes(size % 2**20)]


PACKED = {name: npy(array) for name, array in SET.items()}


def test_an_array_that_swells_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    assert archive.MODEST <= 2**26
    monkeypatch.setattr(archive, "MODEST", 2**20)
    path = write(tmp_path / "set.npz", {**PACKED, "x_train": swollen(2**20 + 784)})
    assert path.stat().st_size < 2**14
    with pytest.raises(
        InputError, match=r"x_train of .* unpacks from .* to 1,0.*savez\)"
    ) as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["y_train", "x_val", "classes"])
def test_every_array_that_is_asked_for_is_looked_at_first(tmp_path, monkeypatch, name):
    monkeypatch.setattr(archive, "MODEST", 2**16)
    path = write(tmp_path / "set.npz", {**PACKED, "y_val": PACKED["y_test"], name: swollen(2**20)})
    with pytest.raises(InputError, match=rf"{name} of .* unpacks from"):
        load(path)
    assert len(load(saved(tmp_path / "plain.npz", x_val=X, y_val=Y)).train) == 40


def test_what_nothing_asks_for_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MODEST", 2**16)
    path = write(tmp_path / "set.npz", {**PACKED, "other": swollen(2**20)})
    assert len(load(path).test) == 8


def test_a_set_larger_than_memory_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "set.npz")
    assert archive.available_memory() > 2**20
    monkeypatch.setattr(archive, "available_memory", lambda: 2000)
    with pytest.raises(InputError, match=r"holds \d,\d* bytes, and 2,000 bytes of memory"):
        load(path)


def lying(shape, dtype="|u1"):
    """Return an .npy file whose header promises more than it holds."""
    header = io.BytesIO()
    description = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    return header.getvalue() + bytes(100)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lying((10**9, 28, 28)), "the header of x_test is for 784,000,000,000 bytes"),
        (lying((10**18, 2**40)), "the header of x_test is for"),
        (lying((1, 5, 2)), "the header of x_test is for 10 bytes"),
        (lying((8, 5, 7), "|O"), "holds Python objects"),
        (b"\x93NUMPY\x03\x00" + bytes(100), "version"),
        (b"not an array", "no .npz of plain arrays"),
        (PACKED["x_test"][:-30], "the header of x_test"),
    ],
)
def test_a_header_that_lies_is_one_error(tmp_path, data, words):
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = write(tmp_path / "set.npz", {**PACKED, "x_test": data}, method)
        with pytest.raises(InputError, match=words) as caught:
            load(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": np.eye(4)[Y[:8]]}, r"y_test of .* pass y\.argmax\(1\) of one-hot labels"),
        ({"y_train": Y.astype(float)}, r"pass y\.long\(\)"),
        ({"y_train": np.where(Y == 3, np.nan, Y)}, r"pass y\.long\(\)"),
        ({"y_train": np.array(list("abcd"))[Y]}, r"y_train of .* got one of text"),
        ({"y_train": Y - 1}, "not be negative"),
        ({"x_test": (X[:8] > 127).astype(np.uint8)}, "set test holds bytes of 0 and 1 alone"),
        ({"x_test": X[:8].astype(np.int64)}, r"x\.float\(\) / 255"),
        ({"x_test": X[:8].astype(np.uint16) * 257}, r"x\.float\(\) / 65535"),
        ({"classes": np.array(["a", "b"])}, "names 2 classes, and its labels need 4"),
        ({"x_val": X[:8]}, "has x_val alone"),
    ],
)
def test_what_is_no_labeled_image_is_one_error(tmp_path, changes, words):
    with pytest.raises(InputError, match=words) as caught:
        load(saved(tmp_path / "set.npz", **changes))
    assert "\n" not in str(caught.value)


def test_names_of_classes_that_do_not_occur_are_kept(tmp_path):
    names = np.array(["a", "b", "c", "d", "e"])
    test = load(saved(tmp_path / "set.npz", classes=names)).test
    assert (test.classes, test.num_classes) == (tuple("abcde"), 5)


@pytest.mark.parametrize("pack", [np.savez, np.savez_compressed])
def test_arrays_of_any_kind_are_read(tmp_path, pack):
    expected = load(saved(tmp_path / "plain.npz")).test.fingerprint
    floats = (X[:8] / np.float32(255)).astype(">f4")
    path = saved(
        tmp_path / "set.npz",
        pack,
        x_test=np.asfortranarray(floats),
        y_test=Y[:8].astype(">u2")[:, None],
        y_train=Y.astype(np.uint64),
    )
    test = load(path).test
    assert test.fingerprint == expected
    assert torch.equal(test.y, torch.from_numpy(Y[:8]))
