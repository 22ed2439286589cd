"""Run what is printed, as a reader would who copies it: shell lines and Python, in one folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
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


def make_key(path: Path) -> None:
    """Write an Ed25519 key and its public half, as ssh-keygen does."""
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    formats = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    key = ed25519.Ed25519PrivateKey.generate()
    private = (formats.Encoding.PEM, formats.PrivateFormat.OpenSSH, formats.NoEncryption())
    path.write_bytes(key.private_bytes(*private))
    public = (formats.Encoding.OpenSSH, formats.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(key.public_key().public_bytes(*public))


def make_onnx(path: Path) -> None:
    """Write a linear classifier of the digits' size."""
    onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    helper, numbers = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
    infos = [helper.make_tensor_value_info(n, numbers, ("N", k)) for n, k in (("x", 64), ("z", 10))]
    node = helper.make_node("MatMul", ["x", "w"], ["z"])
    stored = [onnx.numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph([node], "net", infos[:1], infos[1:], stored)
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(made, path)
