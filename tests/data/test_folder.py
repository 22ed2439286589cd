"""Images of every mode have the right range of values, or are refused; no file is lost silently."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from holdfast.data import load
from holdfast.data.images import is_gray, read_image
from holdfast.errors import InputError

RAMP = np.linspace(0, 1, 24).reshape(4, 6)  # 4 rows, 6 columns
BYTES = np.round(RAMP * 255).astype(np.uint8)
DEEP = np.round(RAMP * 65535).astype(np.uint16)
COLORS = np.stack([BYTES, BYTES[::-1], 255 - BYTES], 2)


def image(kind: str) -> Image.Image:
    if kind == "1":
        return Image.fromarray(BYTES > 127)
    if kind in ("RGBA", "LA", "CMYK", "P"):
        return Image.fromarray(COLORS).convert(kind)
    return Image.fromarray({"L": BYTES, "I;16": DEEP, "F": RAMP.astype(np.float32)}[kind])


def fill(root: Path, save, classes=("cat", "dog"), n=10) -> Path:
    """Make a folder of images, n a class, each written by `save(path without suffix)`."""
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(n):
            save(root / name / str(i))
    return root


def saver(picture: Image.Image, suffix=".png", **options):
    return lambda path: picture.save(f"{path}{suffix}", **options)


def first(root: Path) -> torch.Tensor:
    return load(root).test.batch(torch.arange(1)).x[0]


def arranged(root: Path, *folders: str) -> Path:
    return fill(root, saver(image("L")), classes=folders)


EXACT = 1e-6
ROUNDED = 1 / 255


@pytest.mark.parametrize(
    ("save", "expected", "within"),
    [
        (saver(image("L")), RAMP, ROUNDED),
        (saver(image("I;16")), RAMP, 1e-5),  # was all 1.0
        (saver(image("I;16"), ".tif"), RAMP, 1e-5),
        (saver(Image.fromarray(DEEP.astype(np.int32)), ".pgm"), RAMP, 1e-5),
        (saver(image("F"), ".tif"), RAMP, EXACT),
        (saver(image("1")), RAMP > 0.5, EXACT),
        (saver(Image.fromarray(COLORS)), COLORS / 255, EXACT),
        (saver(Image.fromarray(COLORS).quantize(256)), COLORS / 255, 0.1),  # a palette
        (saver(image("RGBA")), COLORS / 255, EXACT),  # opaque
        (saver(image("CMYK"), ".tif"), COLORS / 255, ROUNDED),
    ],
)
def test_every_mode_has_its_range(tmp_path, save, expected, within):
    found = first(fill(tmp_path / "set", save)).numpy()
    expected = np.atleast_3d(expected).transpose(2, 0, 1)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= within


def twelve_bits(path: Path) -> None:
    """Write a TIFF of one row, two pixels of 12 bits each: black and white."""
    from struct import pack

    tags = [(256, 3, 2), (257, 3, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 3, 1), (279, 4, 3)]
    entries = b"".join(pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    pixels = b"\x00\x0f\xff\x00"  # 000, fff
    data = b"II*\x00" + pack("<I", 12) + pixels + pack("<H", len(tags)) + entries + pack("<I", 0)
    Path(f"{path}.tif").write_bytes(data)


def test_twelve_bits_are_no_sixteen(tmp_path):
    assert first(fill(tmp_path / "set", twelve_bits)).flatten().tolist() == [0, 1]


def test_an_image_is_turned_as_it_says_itself(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter clockwise, to be seen as it was taken
    save = saver(Image.fromarray(COLORS), exif=turned)
    expected = np.rot90(COLORS, -1).transpose(2, 0, 1) / 255
    assert np.allclose(first(fill(tmp_path / "set", save)).numpy(), expected)


def faint(kind: str) -> Image.Image:
    if kind == "transparent color":
        return Image.fromarray(np.dstack([COLORS, BYTES]))
    if kind == "transparent palette":
        return Image.fromarray(BYTES).quantize(4)
    return Image.fromarray(np.dstack([BYTES, BYTES])).convert("LA")


def sixteen(path: Path) -> None:
    """Write a PNG in color with 16 bits a channel."""
    from struct import pack
    from zlib import compress, crc32

    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", crc32(name + data))

    rows = b"".join(b"\0" + np.dstack([row] * 3).astype(">u2").tobytes() for row in DEEP)
    head = chunk(b"IHDR", pack(">IIBBBBB", 6, 4, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
    Path(f"{path}.png").write_bytes(data)


@pytest.mark.parametrize(
    ("save", "words"),
    [
        (saver(faint("transparent color")), "transparent in places"),
        (saver(faint("transparent palette"), transparency=0), "transparent in places"),
        (saver(faint("transparent palette"), ".gif", transparency=1), "transparent in places"),
        (sixteen, "16 bits a channel"),
        (saver(Image.fromarray(RAMP.astype(np.float32) * 300), ".tif"), "floats from 0 to 300"),
        (saver(Image.fromarray(DEEP.astype(np.int32)), ".tif"), "32 bits without a stated range"),
        (saver(Image.fromarray((RAMP > 0.5).astype(np.uint8))), "above 16/255 of white"),
        (saver(Image.fromarray((RAMP * 16).astype(np.uint8))), "above 16/255 of white"),
        (saver(Image.fromarray(BYTES.astype(np.uint16))), "above 16/255 of white"),
        (
            saver(image("L"), ".gif", save_all=True, append_images=[Image.fromarray(255 - BYTES)]),
            "has 2 frames",
        ),
        (
            saver(image("L"), ".tif", save_all=True, append_images=[image("L")]),
            "has 2 frames",
        ),
        (saver(Image.new("LAB", (6, 4)), ".tif"), "has the mode LAB"),
    ],
)
def test_what_would_be_lost_or_guessed_is_refused(tmp_path, save, words):
    with pytest.raises(InputError, match=words) as caught:
        first(fill(tmp_path / "set", save))
    assert "\n" not in str(caught.value)


def test_one_image_in_color_makes_all_so(tmp_path):
    root = fill(tmp_path / "set", saver(image("L")))
    Image.fromarray(COLORS).save(root / "dog" / "9.png")
    image("I;16").save(root / "dog" / "8.png")
    splits = load(root)
    every = splits.train.source.fetch(torch.arange(20))
    assert every.shape == (20, 3, 4, 6)
    assert torch.allclose(every[19], torch.tensor(COLORS.transpose(2, 0, 1) / 255).float())
    assert (every[18] - torch.tensor(RAMP)).abs().max() < 1e-5


def test_images_are_found_at_any_depth_and_hidden_files_are_not(tmp_path, caplog):
    root = fill(
        tmp_path / "set", saver(image("L")), classes=("cat/long/haired", "cat/short", "dog")
    )
    (root / "dog" / "._0.png").write_bytes(b"of a file manager")
    (root / "dog" / ".cache").mkdir()
    image("L").save(root / "dog" / ".cache" / "0.png")
    (root / "dog" / "0.heic").write_bytes(b"of a telephone")
    image("L").save(root / "preview.png")
    os.mkfifo(root / "dog" / "pipe.png")
    splits = load(root)
    assert splits.train.classes == ("cat", "dog")
    assert len(splits.train.source.paths) == 30
    assert "1 .heic, 1 .png" in caplog.text
    assert "1 images lie in no class" in caplog.text


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("train/a", "train/b", "test/a", "test/b", "test/c"), "a class 'c'"),
        (("val/a", "val/b", "test/a", "test/b"), "a folder 'test' of folders"),
        (("Train/a", "Train/b", "Test/a"), "a folder 'Test' of folders"),
        (("images/a", "images/b"), "pass .*images"),
        (("train/images/a", "train/images/b", "test/images/a"), "pass .*train/images"),
    ],
)
def test_folders_that_are_no_classes_are_refused(tmp_path, folders, words):
    with pytest.raises(InputError, match=words):
        load(arranged(tmp_path / "set", *folders))


def test_a_class_without_images_is_refused(tmp_path):
    root = arranged(tmp_path / "set", "a", "c")
    (root / "b").mkdir()
    (root / "b" / "0.heic").write_bytes(b"of a telephone")
    with pytest.raises(InputError, match="b has no images"):
        load(root)
    parts = arranged(tmp_path / "parts", "train/a", "train/b", "test/a")
    assert len(load(parts).test) == 10  # what a part does not have is not a class without images
    (parts / "test" / "b").mkdir()
    with pytest.raises(InputError, match="b has no images"):
        load(parts)


def test_every_name_of_a_validation_part_is_known(tmp_path, caplog):
    root = arranged(tmp_path / "set", "train/a", "test/a", "valid/a", "extra/a")
    splits = load(root)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [10, 10, 10]
    assert splits.validation.name == "set val"
    assert "['extra'] are no parts" in caplog.text


def test_an_image_that_is_too_large_is_one_error(tmp_path, monkeypatch):
    root = arranged(tmp_path / "set", "a", "b")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match="cannot read image"):
        load(root)


def test_a_pipe_among_the_images_does_not_block(tmp_path):
    (tmp_path / "train" / "a").mkdir(parents=True)
    os.mkfifo(tmp_path / "train" / "a" / "0.png")
    with pytest.raises(InputError, match=r"0\.png \(.*it is no ordinary file\)"):
        is_gray(tmp_path / "train" / "a" / "0.png")
    with pytest.raises(InputError, match="no ordinary file"):
        read_image(tmp_path / "train" / "a" / "0.png", "L")
