"""Descriptions of the contents of a path, for errors about a path to something else."""

from __future__ import annotations

from pathlib import Path

CLAIM, RUN, SEGMENTS = "claim.json", "run.json", "ledger"  # files that mark a folder as one of ours
_MOST = 3  # folders inside of another that are named


def what_lies(path: Path) -> str:
    """Return the contents of a path, as the end of "it ...": a run, a claim, a file, nothing."""
    try:
        return _what_lies(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def held_in(path: Path) -> str | None:
    """Return "a claim" or "a training run" for a folder that holds one, else None."""
    for name, kind in ((CLAIM, "a claim"), (RUN, "a training run")):
        if (path / name).is_file():
            return kind
    return None


def _what_lies(path: Path) -> str:
    if not path.exists():
        return "does not exist"
    if not path.is_dir():
        return "is a file"
    if kind := held_in(path):
        return f"holds {kind}"
    if (path / SEGMENTS).is_dir():
        return "holds an evaluation that is not finished"
    if (path / "model.json").is_file():
        return "holds the model of one epoch"
    inside = sorted(path.iterdir())
    if not inside:
        return "is an empty folder"
    ours = [f"{kind} in {each}" for each in inside if (kind := held_in(each))]
    if ours:
        return f"is the folder around {', '.join(ours[:_MOST])}{', ...' if ours[_MOST:] else ''}"
    return "is a folder of other files"
