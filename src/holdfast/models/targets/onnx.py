"""An ONNX model as a target, run by ONNX Runtime."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from holdfast.arguments import checked
from holdfast.errors import InputError, first_line
from holdfast.models.targets import onnx_file
from holdfast.models.targets.base import Target
from holdfast.models.targets.class_labels import columns_of, own_labels
from holdfast.models.targets.outputs import checked_outputs
from holdfast.storage import user_path
from holdfast.units import Count

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class Onnx(Target):
    """An ONNX file, or an `InferenceSession` (without a digest).

    The digest of a file is that of its bytes and of the files beside it that hold its weights. What
    a classifier of ai.onnx.ml says of its labels is heeded, as `classes_` of scikit-learn's are.
    output: which of its outputs to read, where it has several. A model of a fixed batch size is run
    in batches of that size; one that takes (N, D) gets its inputs flattened.
    """

    @checked
    def __init__(
        self,
        model: Any,
        outputs: str | None = None,
        *,
        output: str | None = None,
        num_classes: Count | None = None,
    ) -> None:
        self.num_classes = num_classes
        self.sha256: str | None = None
        self.path: str | None = None  # where the words `path` and `outputs` alone make this target
        if isinstance(model, str | Path):
            path = user_path(model, "model")
            if output is None and num_classes is None:
                self.path = str(model)
            self._name, self.session = path.name, self._open(path)
            self.sealed = True
        else:
            self._name, self.session = "session", model
        self.outputs = checked_outputs(outputs, self.name)
        self.output = _output(self.session, output, self.name)
        self.input, self.dtype, self.shape = _input(self.session, self.name)
        if self.labels is not None:
            self.num_classes = len(self.labels)

    def ask(self, x: NDArray[Any]) -> Any:
        x = x.reshape(len(x), -1) if len(self.shape) == 2 else x
        x, size = x.astype(self.dtype), self.shape[0]
        if isinstance(size, int):
            parts = [x[i : i + size] for i in range(0, len(x), size)]
            found = [self._run(_filled(part, size))[: len(part)] for part in parts]
            answer = np.concatenate(found)
        else:
            answer = self._run(x)
        if self.outputs == "labels" and self.labels is not None:
            return columns_of(answer, self.labels, self.name)
        return answer

    @property
    def name(self) -> str:
        return f"ONNX {self._name}"

    def settings(self) -> str:
        # Not the file's name: the same bytes are the same model wherever they lie.
        return f"onnx sha256={self.sha256 or 'unknown'}, output {self.output}"

    def _run(self, x: NDArray[Any]) -> NDArray[Any]:
        answer = self.session.run([self.output], {self.input: x})[0]
        if isinstance(answer, list):
            raise InputError(
                f"output {self.output!r} of {self.name} is a list, not an array: export the model "
                "with zipmap off, or name another output"
            )
        return np.asarray(answer)

    def _open(self, path: Path) -> Any:
        if not path.is_file():
            raise InputError(f"no ONNX model at {path}: check the path")
        try:
            runtime = import_module("onnxruntime")
        except ImportError:
            raise InputError(
                "ONNX models are run by ONNX Runtime, which is not installed: "
                "pip install 'holdfast[onnx]'"
            ) from None
        file = onnx_file.read(path)
        self.sha256 = file.sha256
        self.labels = None if file.labels is None else own_labels(file.labels, path.name)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors: they come as exceptions as well
        try:
            return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of types that ONNX Runtime makes in C++
            raise InputError(f"ONNX Runtime cannot read {path}: {first_line(error)}") from error


def _output(session: Any, wanted: str | None, name: str) -> str:
    names = [value.name for value in session.get_outputs()]
    if wanted is None and len(names) == 1:
        return str(names[0])
    if wanted is None or wanted not in names:
        got = "" if wanted is None else f", got {wanted!r}"
        raise InputError(
            f"{name} has the outputs {', '.join(names)}{got}: say which one to read, as in "
            f"holdfast.models.Onnx(path, outputs=..., output={names[-1]!r})"
        )
    return wanted


def _input(session: Any, name: str) -> tuple[str, Any, tuple[Any, ...]]:
    """Return name, type and shape of the one input."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES:
        kinds = ", ".join(f"{value.name} {value.type}" for value in inputs)
        raise InputError(f"{name} must have one input of floats, it has {kinds or 'none'}")
    return inputs[0].name, _TYPES[inputs[0].type], tuple(inputs[0].shape)


def _filled(part: NDArray[Any], size: int) -> NDArray[Any]:
    """Return `size` rows: the part, filled up by repeating its first."""
    missing = size - len(part)
    return np.concatenate([part, np.repeat(part[:1], missing, 0)]) if missing else part
