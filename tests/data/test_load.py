from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from holdfast.data import load
from holdfast.errors import InputError


def parts(splits):
    return splits.train, splits.validation, splits.test


def test_digits_are_built_in():
    splits = load("digits")
    train, held, test = parts(splits)
    assert [len(part) for part in parts(splits)] == [1295, 143, 359]
    ids = torch.cat([part.ids for part in parts(splits)])
    assert sorted(ids.tolist()) == list(range(1797))
    batch = test.batch(torch.arange(len(test)))
    assert batch.x.shape == (359, 1, 8, 8)
    assert (batch.x.min(), batch.x.max()) == (0, 1)
    assert test.classes[:2] == ("zero", "one")
    assert test.num_classes == 10
    again = load("digits", seed=1)
    assert again.test.fingerprint == test.fingerprint
    assert again.validation.fingerprint != held.fingerprint
    assert load("digits").train.fingerprint == train.fingerprint


def arrays(shape=(5, 7, 3), n=40, dtype=np.uint8):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, *shape)).astype(dtype)
    return {"x_train": x, "y_train": np.arange(n) % 4, "x_test": x[:8], "y_test": np.arange(8) % 4}


@pytest.mark.parametrize(
    ("shape", "loaded"),
    [((5, 7), (1, 5, 7)), ((5, 7, 3), (3, 5, 7)), ((5, 7, 1), (1, 5, 7)), ((3, 5, 7), (3, 5, 7)),
     ((12,), (12,))],
)  # fmt: skip
def test_an_npz_is_read_channels_first(tmp_path, shape, loaded):
    content = arrays(shape)
    np.savez(tmp_path / "set.npz", **content)
    splits = load(tmp_path / "set.npz")
    assert [len(part) for part in parts(splits)] == [36, 4, 8]
    assert splits.test.shape == loaded
    x = splits.test.batch(torch.arange(8)).x
    expected = content["x_test"].astype(np.float32) / 255
    if shape[-1] in (1, 3) and len(shape) == 3:
        expected = expected.transpose(0, 3, 1, 2)
    assert np.array_equal(x.numpy(), expected.reshape(x.shape))
    first = int(splits.validation.ids[0])
    assert splits.validation.y[0] == content["y_train"][first]


def test_an_npz_may_bring_its_validation_part_classes_and_column_labels(tmp_path):
    content = arrays()
    content |= {"x_val": content["x_test"], "y_val": content["y_test"]}
    content |= {"classes": np.array(["a", "b", "c", "d"]), "y_test": content["y_test"][:, None]}
    np.savez(tmp_path / "set.npz", **content)
    splits = load(str(tmp_path / "set.npz"))
    assert [len(part) for part in parts(splits)] == [40, 8, 8]
    assert splits.train.classes == ("a", "b", "c", "d")


def test_sets_are_found_by_name(tmp_path, monkeypatch):
    np.savez(tmp_path / "shapes.npz", **arrays())
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
    assert len(load("shapes").test) == 8
    with pytest.raises(InputError, match=r"did you mean 'shapes'\? known: digits, shapes"):
        load("shape")
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="no folder"):
        load("shapes")
    monkeypatch.delenv("HOLDFAST_DATA")
    with pytest.raises(InputError, match="set HOLDFAST_DATA to the folder"):
        load("shapes")


def broken(path, how):
    content = arrays()
    if how == "missing":
        return
    if how == "no test":
        del content["x_test"]
    if how == "objects":
        content["x_test"] = np.array([None, {}])
    if how == "0..255 floats":
        content["x_train"] = content["x_train"].astype(np.float32)
    if how == "lengths":
        content["y_test"] = content["y_test"][:-1]
    np.savez(path, **content)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "no data at"),
        ("no test", "lacks x_test; it has x_train"),
        ("objects", "plain arrays"),
        ("0..255 floats", "divide by 255"),
        ("lengths", "8 examples and 7 labels"),
        ("truncated", "truncated"),
    ],
)
def test_a_bad_npz_is_one_error(tmp_path, how, words):
    broken(tmp_path / "set.npz", how)
    with pytest.raises(InputError, match=words):
        load(tmp_path / "set.npz")


def paint(folder: Path, classes=("cat", "dog"), n=10, size=(6, 4), mode="RGB"):
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(n):
            shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
            pixels = rng.integers(0, 256, shape).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_a_folder_of_images(tmp_path, mode, channels):
    paint(tmp_path / "pets", mode=mode)
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not an image")
    splits = load(tmp_path / "pets")
    assert sum(len(part) for part in parts(splits)) == 20
    assert splits.train.classes == ("cat", "dog")
    assert splits.train.shape == (channels, 4, 6)
    batch = splits.test.batch(torch.arange(2))
    file = sorted((tmp_path / "pets" / "cat").glob("*.png"))[int(batch.ids[0])]
    pixels = np.asarray(Image.open(file)).reshape(4, 6, channels).transpose(2, 0, 1)
    assert np.array_equal(batch.x[0].numpy(), pixels.astype(np.float32) / 255)


def test_a_folder_with_parts(tmp_path):
    for part, n in (("train", 10), ("test", 3), ("val", 2)):
        paint(tmp_path / part, n=n)
    assert [len(part) for part in parts(load(tmp_path))] == [20, 4, 6]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda p: None, "no images"),
        (lambda p: paint(p / "train"), "add it"),
        (lambda p: (paint(p / "train"), paint(p / "test", ("cow",))), "class 'cow'"),
    ],
)
def test_a_bad_folder_is_one_error(tmp_path, prepare, words):
    prepare(tmp_path)
    with pytest.raises(InputError, match=words):
        load(tmp_path)


def test_an_image_of_another_size_or_a_damaged_one_is_one_error(tmp_path):
    paint(tmp_path / "pets")
    train = load(tmp_path / "pets").train
    Image.new("RGB", (3, 3)).save(train.source.paths[1])
    train.source.paths[2].write_bytes(b"no image")
    everything = train.source
    with pytest.raises(InputError, match="one size"):
        everything.fetch(torch.tensor([1]))
    with pytest.raises(InputError, match="cannot read image"):
        everything.fetch(torch.tensor([2]))


@pytest.mark.shared
@pytest.mark.parametrize(("name", "mean"), [("mnist", 0.13066), ("fashion_mnist", 0.28604)])
def test_the_real_sets(name, mean):
    root = Path(__file__).parents[2]
    shared = Path(os.environ.get("HOLDFAST_SHARED", root.parent / "shared"))
    path = shared / "data" / "images" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no {path}: set HOLDFAST_SHARED")
    splits = load(path)
    train, held, test = (len(part) for part in parts(splits))
    assert (train + held, test) == (60000, 10000)
    assert abs(held - 6000) <= 5  # every class rounds by itself
    assert splits.test.num_classes == len(splits.test.classes) == 10
    total = sum(part.batch(torch.arange(len(part))).x.double().sum() for part in parts(splits)[:2])
    assert abs(float(total) / (60000 * 784) - mean) < 1e-5


def test_a_part_has_the_words_that_find_it_again(tmp_path: Path, monkeypatch) -> None:
    """Not where it is another choice of examples than these words find."""
    x, y = np.zeros((20, 4, 4), np.uint8), np.arange(20) % 2
    x[0] = 255
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
    for words in (path, "mine", "digits"):
        assert [part.given for part in parts(load(words))] == [str(words)] * 3
    splits = load("mine", validation=0.3)
    assert [part.given for part in parts(splits)] == [None, None, "mine"]
    assert splits.test.take(torch.arange(3)).given is None
