"""Find a set by name or path."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from holdfast.arguments import checked
from holdfast.data.digits import digits
from holdfast.data.folder import load_folder
from holdfast.data.npz import load_npz
from holdfast.data.splits import Splits, three_parts
from holdfast.errors import InputError, did_you_mean
from holdfast.folders import held_in
from holdfast.storage import user_path
from holdfast.units import Seed

BUILT_IN = "digits"
HOME = "HOLDFAST_DATA"  # the environment variable that names the folder of sets
HELD_OUT = (0.1, 0)  # fraction and seed of a validation part that is held out by default


@checked
def load(name: str | Path, validation: float = 0.1, seed: Seed = 0) -> Splits:
    """Return the set called `name` as its training, validation and test parts.

    name: "digits", which is built in; the name of an .npz file or image folder in the folder that
    HOLDFAST_DATA names; or a path to one. validation, seed: of the examples held out of the
    training part, where the set brings no validation part. Raises InputError if there is no such
    set.
    """
    if str(name) == BUILT_IN:
        return _found_by(name, three_parts(digits(), validation, seed), (validation, seed))
    path = _find(user_path(name, "data"))
    if kind := held_in(path):
        raise InputError(f"{path} holds {kind}, no data: give the set's own name or path")
    read = load_folder if path.is_dir() else load_npz
    return _found_by(name, read(path, validation, seed), (validation, seed))


def _found_by(name: str | Path, splits: Splits, held_out: tuple[float, int]) -> Splits:
    """Return the parts with the words that find them again, as far as these do.

    They find another validation part where this one was held out in another way.
    """
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    same = parts if held_out == HELD_OUT else ("test",)
    return Splits(**{k: replace(v, given=str(name)) if k in same else v for k, v in parts.items()})


def _find(name: Path) -> Path:
    if name.suffix == ".npz" or len(name.parts) > 1:
        return _existing(name)
    home = _home()
    candidates: tuple[Path, ...] = (home / f"{name}.npz", home / name) if home else ()
    for path in (*candidates, name):
        if path.exists():
            return path
    known = {"digits"} | {path.stem for path in home.iterdir()} if home else {"digits"}
    where = "" if home else f"; set {HOME} to the folder that holds {name}.npz"
    hint = did_you_mean(str(name), known)
    raise InputError(f"unknown data set {str(name)!r}, and no such path is here{hint}{where}")


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"no data at {path}: check the path")
    return path


def _home() -> Path | None:
    folder = os.environ.get(HOME)
    if not folder:
        return None
    path = user_path(folder, HOME)
    if not path.is_dir():
        raise InputError(f"{HOME} names {folder!r}, which is no folder: correct or unset it")
    return path
