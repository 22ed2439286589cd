"""Run what is printed, as a reader would who copies it: shell lines and Python, in one folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from holdfast.cli.main import run


def run_line(line: str) -> None:
    """Run a line for the shell, which must be one of `holdfast`; AssertionError if it fails."""
    program, *words = shlex.split(line, comments=True)
    assert program == "holdfast", line
    assert run(words) == 0, line


def run_python(code: str, supplied: Mapping[str, object] | None = None) -> None:
    """Run a program after filling in its gaps, `name = ...`, with what is supplied for them."""
    names = {"__name__": "printed", **(supplied or {})}
    lines = [line for line in code.splitlines() if line.partition(" = ")[2][:3] != "..."]
    gaps = {line.partition(" = ")[0] for line in code.splitlines() if line not in lines}
    assert gaps == set(supplied or {})
    exec(compile("\n".join(lines), "printed", "exec"), names)


def next_line(output: str) -> str:
    """Return the command that a command says is next."""
    (line,) = (line for line in output.splitlines() if line.startswith("next: "))
    return line.removeprefix("next: ")


def few_digits(n: int = 60) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of an .npz file with a few digits, some of them for the test."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x[: n + 12].reshape(-1, 8, 8) / 16).astype(np.float32)
    return {"x_train": x[:n], "y_train": y[:n], "x_test": x[n:], "y_test": y[n : n + 12]}
