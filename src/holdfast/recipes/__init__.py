"""Recipes: whole experiments as YAML files that come with the package."""

from __future__ import annotations

from importlib import resources
from typing import Any

from holdfast.errors import ConfigError, StorageError, did_you_mean
from holdfast.folders import what_lies
from holdfast.safe_yaml import parse_yaml
from holdfast.storage import read_file, user_path

SUFFIX = ".yaml"
LARGEST = 2**20  # bytes of a configuration


def names() -> list[str]:
    """Return the names of the recipes that come with the package, sorted."""
    files = resources.files(__name__).iterdir()
    return sorted(f.name.removesuffix(SUFFIX) for f in files if f.name.endswith(SUFFIX))


def about(name: str) -> str:
    """Return a recipe's own description in one line."""
    content: dict[str, Any] = parse_yaml(read(name)[0], name)
    return " ".join(str(content.get("about", "")).split())


def read(name: str) -> tuple[str, str]:
    """Return the text of a recipe or of a YAML file, and its name in messages.

    Raises ConfigError, naming the nearest recipe, if there is neither.
    """
    path = user_path(name, "recipe")
    if path.suffix in (SUFFIX, ".yml") or len(path.parts) > 1:
        if not path.exists():
            raise StorageError(f"no configuration at {path}: check the path")
        try:
            return read_file(path, LARGEST).decode(), str(path)
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is no text in UTF-8 ({error}): save it as that") from None
    if name not in names():
        there = (
            f" (it {what_lies(path)}; a file of your own ends in .yaml)" if path.exists() else ""
        )
        raise ConfigError(f"unknown recipe {name!r}{there}{did_you_mean(name, names())}")
    return resources.files(__name__).joinpath(f"{name}{SUFFIX}").read_text("utf-8"), name
