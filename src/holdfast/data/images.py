"""Image files decoded to values in 0..1, or refused where a reader would have to guess."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from holdfast.data.examples import DARK
from holdfast.errors import InputError
from holdfast.outline import outlined
from holdfast.storage import open_file

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"}

# Modes of Pillow.
_DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I"}  # gray of more than 8 bits
_GRAY = {"1", "L", "F"} | _DEEP
_COLORED = {"P", "RGB", "RGBX", "CMYK", "YCbCr"}
_WITH_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}

_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # tags of TIFF, and a value of the second
_DIM = (DARK + 0.5) / 255  # a whole set without a brighter value is scaled wrongly


@outlined
@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images decoded when they are asked for, all of one size, gray or in color."""

    paths: tuple[Path, ...]
    mode: str  # "L" or "RGB"
    shape: tuple[int, ...]  # (C, H, W)

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the images at `rows` (B,) as (B, C, H, W): bytes if all of them are, or floats."""
        images = [self._decode(self.paths[row]) for row in rows.tolist()]
        if any(image.dtype is not torch.uint8 for image in images):
            images = [_in_unit(image) for image in images]
        return torch.stack(images)

    def _decode(self, path: Path) -> Tensor:
        image = read_image(path, self.mode)
        if tuple(image.shape) != self.shape:
            raise InputError(
                f"{path} has shape {tuple(image.shape)}, others {self.shape}: "
                "resize the images to one size"
            )
        return image


def image_files(paths: Iterable[Path]) -> ImageFiles:
    """Return image files as one source: in color if one of them is, and of the first one's size.

    Raises InputError if none of them has a value above 16/255: bytes of 0 and 1, for example.
    """
    paths = tuple(paths)
    mode = "L" if all(is_gray(path) for path in paths) else "RGB"
    brightest = 0.0
    for path in paths:
        brightest = max(brightest, float(_in_unit(read_image(path, mode)).max()))
        if brightest > _DIM:
            break
    if 0 < brightest <= _DIM:
        raise InputError(
            f"no pixel of {paths[0]} and the other images is above {DARK}/255 of white: scale them "
            "to the whole range of their type (bytes of 0 and 1 by 255)"
        )
    return ImageFiles(paths, mode, tuple(read_image(paths[0], mode).shape))


def is_gray(path: Path) -> bool:
    """Return True if an image has one channel, as its header says."""
    with _reading(path), open_file(path) as file, Image.open(file) as image:
        return image.mode in _GRAY


def read_image(path: Path, mode: str) -> Tensor:
    """Return an image as (C, H, W), turned as it says itself: bytes, or floats in 0..1.

    mode: "L" or "RGB". Raises InputError for images that would lose something: several frames,
    transparency, 16 bits a channel in color, color as gray, and values without a known range.
    """
    with _reading(path), open_file(path) as file, Image.open(file) as image:
        return _decoded(image, path, mode)


def pixels_of(image: Image.Image, name: str = "an image") -> Tensor:
    """Return an image of Pillow's as `read_image` does: (C, H, W), of one channel if it is gray."""
    return _decoded(image, name, "L" if image.mode in _GRAY else "RGB")


def _decoded(image: Image.Image, name: Path | str, mode: str) -> Tensor:
    _refuse(image, name, mode)
    white = _white(image)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP | {"F"}:
        return _floats(np.asarray(image, dtype=np.float32) / np.float32(white), mode, name)
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        _refuse_transparent(image, name)
    pixels = np.array(image.convert(mode))
    return torch.from_numpy(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"cannot read image {path} ({error}): truncated or no image") from error


def _refuse(image: Image.Image, path: Path | str, mode: str) -> None:
    """Raise InputError where the header shows that reading would lose or guess."""
    kind, frames = image.mode, getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # there the others are previews of the first
        raise InputError(f"{path} has {frames} frames: save the one that is meant")
    if kind not in _GRAY | _COLORED | _WITH_ALPHA:
        raise InputError(f"{path} has the mode {kind}: convert it to RGB or to gray")
    if kind not in _GRAY and mode == "L":
        raise InputError(f"{path} is in color, others are gray: convert all to one")
    if (
        kind not in _DEEP
        and image.format in ("PNG", "TIFF")
        and ";16" in str(getattr(image, "tile", ""))
    ):
        raise InputError(
            f"{path} has 16 bits a channel, of which 8 would be read: convert it to 8 bits"
        )
    if kind == "I" and image.format not in ("PNG", "PPM"):
        raise InputError(
            f"{path} holds whole numbers of 32 bits without a stated range: "
            "convert it to 8 or 16 bits"
        )
    tags = getattr(image, "tag_v2", {})
    if kind in _DEEP and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise InputError(f"{path} is a negative, its white is 0: invert it")


def _white(image: Image.Image) -> int:
    """Return the value of white in a gray image of more than 8 bits; 1 for floats."""
    if image.mode == "F":
        return 1
    bits = getattr(image, "tag_v2", {}).get(_BITS, (16,))
    return int(2 ** bits[0] - 1)


def _floats(pixels: NDArray[np.float32], mode: str, path: Path | str) -> Tensor:
    """Return gray pixels (H, W) as (C, H, W); InputError unless they are in 0..1."""
    least, most = float(pixels.min()), float(pixels.max())
    if not (least >= 0 and most <= 1):  # true for NaN too
        raise InputError(
            f"{path} holds floats from {least:g} to {most:g}: scale them to 0..1, black to white"
        )
    return torch.from_numpy(pixels).repeat(1 if mode == "L" else 3, 1, 1)


def _refuse_transparent(image: Image.Image, path: Path | str) -> None:
    least = image.convert("RGBA").getchannel("A").getextrema()[0]
    if least != 255:
        raise InputError(
            f"{path} is transparent in places, which would be lost: put it on a background"
        )


def _in_unit(image: Tensor) -> Tensor:
    return image.float() / 255 if image.dtype is torch.uint8 else image
