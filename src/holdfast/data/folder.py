"""Sets kept as folders of images, one folder per class, perhaps below train, val and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from holdfast.data.examples import Examples
from holdfast.data.splits import Splits, split, three_parts
from holdfast.errors import InputError

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm"}


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images decoded when they are asked for, all of one size and mode."""

    paths: tuple[Path, ...]
    mode: str  # "L" or "RGB"
    shape: tuple[int, ...]  # (C, H, W)

    def fetch(self, rows: Tensor) -> Tensor:
        return torch.stack([self._decode(self.paths[row]) for row in rows.tolist()])

    def _decode(self, path: Path) -> Tensor:
        pixels = np.asarray(_open(path).convert(self.mode))
        image = torch.tensor(pixels).reshape(*pixels.shape[:2], -1).permute(2, 0, 1)
        if tuple(image.shape) != self.shape:
            raise InputError(
                f"{path} has shape {tuple(image.shape)}, others {self.shape}: "
                "resize the images to one size"
            )
        return image


def load_folder(path: Path, validation: float = 0.1, seed: int = 0) -> Splits:
    """Return the parts of a folder of images: class/*.png, or train/class/*.png, test/class/*.png.

    Classes are folders, in alphabetical order; ids are indices in the sorted list of files. What is
    not given (test, validation) is held out per class. Raises InputError for a folder without
    images or whose parts have different classes.
    """
    if not (path / "train").is_dir():
        return three_parts(_images(path, path.name, _classes(path)), validation, seed)
    if not (path / "test").is_dir():
        raise InputError(f"{path} has a folder 'train' but no 'test': add it")
    classes = _classes(path / "train")
    train, test = (
        _images(path / part, f"{path.name} {part}", classes) for part in ("train", "test")
    )
    for part in ("val", "validation"):
        if (path / part).is_dir():
            return Splits(train, _images(path / part, f"{path.name} {part}", classes), test)
    train, held = split(train, validation, seed)
    return Splits(train, held, test)


def _images(path: Path, name: str, classes: tuple[str, ...]) -> Examples:
    strange = set(_classes(path)) - set(classes)
    if strange:
        raise InputError(f"{path} has a class {min(strange)!r} that the training part lacks")
    labelled = [
        (file, label)
        for label, folder in enumerate(classes)
        for file in sorted((path / folder).glob("*"))
        if file.suffix.lower() in _SUFFIXES
    ]
    if not labelled:
        raise InputError(f"no images in {path}: put them into one folder per class")
    first = _open(labelled[0][0])
    mode = "L" if first.mode in {"1", "L"} else "RGB"
    shape = (1 if mode == "L" else 3, first.height, first.width)
    index = torch.arange(len(labelled))
    return Examples(
        name=name,
        source=ImageFiles(tuple(file for file, _ in labelled), mode, shape),
        rows=index,
        y=torch.tensor([label for _, label in labelled]),
        ids=index,
        num_classes=max(len(classes), 2),
        classes=classes,
    )


def _classes(path: Path) -> tuple[str, ...]:
    return tuple(
        sorted(item.name for item in path.iterdir() if item.is_dir() and item.name[0] != ".")
    )


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"cannot read image {path} ({error}): truncated or no image") from error
