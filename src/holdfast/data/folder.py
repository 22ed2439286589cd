"""Sets kept as folders of images, one folder per class, perhaps below train, val and test."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

import torch

from holdfast.data.examples import Examples
from holdfast.data.images import SUFFIXES, image_files
from holdfast.data.splits import Splits, split, three_parts
from holdfast.errors import InputError
from holdfast.folders import what_lies
from holdfast.storage import check_text

logger = logging.getLogger(__name__)

_VALIDATION = ("val", "validation", "valid")
_PARTS = {*_VALIDATION, "train", "training", "test", "testing", "dev", "eval"}


def load_folder(path: Path, validation: float = 0.1, seed: int = 0) -> Splits:
    """Return the parts of a folder of images: class/*.png, or train/class/*.png, test/class/*.png.

    Classes are folders, in alphabetical order, with images at any depth below them; ids are indices
    in the sorted list of files. Missing parts (test, validation) are held out per class. Raises
    InputError for a folder without images, a class without any, parts with different classes, and
    images that cannot be read without loss.
    """
    if not (path / "train").is_dir():
        classes = _classes(path)
        _refuse_levels(path, classes)
        return three_parts(_images(path, path.name, classes), validation, seed)
    if not (path / "test").is_dir():
        raise InputError(f"{path} has a folder 'train' but no 'test': add it")
    held = [part for part in _VALIDATION if (path / part).is_dir()][:1]
    unread = sorted(set(_classes(path)) - {"train", "test", *held})
    if unread:
        logger.warning("%s: the folders %s are no parts, they are left out", path, unread)
    classes = _classes(path / "train")
    _refuse_levels(path / "train", classes)
    train, test, *rest = (
        _images(path / part, f"{path.name} {'val' if part in held else part}", classes)
        for part in ("train", "test", *held)
    )
    if rest:
        return Splits(train, rest[0], test)
    train, held_out = split(train, validation, seed)
    return Splits(train, held_out, test)


def _images(path: Path, name: str, classes: tuple[str, ...]) -> Examples:
    strange = set(_classes(path)) - set(classes)
    if strange:
        raise InputError(f"{path} has a class {min(strange)!r} that the training part lacks")
    found = [_files(path / folder) for folder in classes]
    if not any(found):
        raise InputError(
            f"no images in {path}: it {what_lies(path)}; put them into one folder per class"
        )
    for folder, files in zip(classes, found, strict=True):
        if not files and (path / folder).is_dir():
            raise InputError(f"class folder {path / folder} has no images: fill or remove it")
    loose = [item for item in path.iterdir() if _is_image(item)]
    if loose:
        logger.warning("%s: %d images lie in no class, they are left out", path, len(loose))
    labels = torch.tensor([label for label, files in enumerate(found) for _ in files])
    index = torch.arange(len(labels))
    return Examples(
        name=name,
        source=image_files(file for files in found for file in files),
        rows=index,
        y=labels,
        ids=index,
        num_classes=max(len(classes), 2),
        classes=classes,
    )


def _classes(path: Path) -> tuple[str, ...]:
    names = sorted(item.name for item in path.iterdir() if item.is_dir() and _seen(item.name))
    for name in names:
        check_text(name, f"in {path} the class folder")
    return tuple(names)


def _refuse_levels(path: Path, classes: tuple[str, ...]) -> None:
    """Raise InputError if the class folders are parts of a set, or hold the classes."""
    nested = [name for name in classes if any(_classes(path / name))]
    parts = [name for name in nested if name.lower() in _PARTS]
    if parts:
        raise InputError(
            f"{path} has a folder {parts[0]!r} of folders, which is no class: "
            "parts are called train, val and test, and train and test are needed"
        )
    if nested and len(classes) == 1:
        raise InputError(
            f"{path} has one class alone, {classes[0]!r}, with folders in it: "
            f"if those are the classes, pass {path / classes[0]}"
        )


def _files(folder: Path) -> list[Path]:
    """Return the images at any depth below a class's folder; warn of other files."""
    found, other = [], Counter[str]()
    for here, below, names in os.walk(folder, followlinks=True):
        below[:] = filter(_seen, below)
        for file in (Path(here) / name for name in names if _seen(name)):
            if _is_image(file):
                found.append(file)
            else:
                other[file.suffix.lower() or file.name] += 1
    if other:
        listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(other.items()))
        logger.warning("%s: left out files that are no images: %s", folder, listed)
    return sorted(found)


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and _seen(file.name) and file.is_file()


def _seen(name: str) -> bool:
    """Return True unless a name is hidden, as those of editors and file managers are."""
    return not name.startswith(".")
