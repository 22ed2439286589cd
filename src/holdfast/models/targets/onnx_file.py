"""An ONNX file without the `onnx` package: which other files belong to it, what its columns mean.

Weights may lie in files beside the model's (`external_data` of a tensor): the model is those files
as much as its own. The reader knows the part of protobuf's wire format that it needs to find them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from holdfast.errors import InputError
from holdfast.storage import open_file, read_file

_Field = tuple[int, int | memoryview]  # number, and a number or the bytes

# Where tensors and attributes are (onnx.proto): of each message the fields that hold messages.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_CLASS_LABELS = (b"classlabels_ints", b"classlabels_int64s")  # of ai.onnx.ml's classifiers


@dataclass(frozen=True)
class OnnxFile:
    """The contents of a model's file: its digest, its files of weights, its columns' labels."""

    sha256: str
    external: tuple[str, ...]  # relative to the model's folder
    labels: tuple[int, ...] | None  # of a classifier of ai.onnx.ml


def read(path: Path) -> OnnxFile:
    """Return the contents of the file, with a digest of it and of all files of weights.

    The digest of a model in one file is that of its bytes. Raises InputError for a file of weights
    that is missing or lies elsewhere than in the model's folder, and for anything but an ONNX file.
    """
    content = read_file(path)
    locations: set[str] = set()
    labels: set[tuple[int, ...]] = set()
    try:
        for kind, fields in _messages("model", memoryview(content)):
            if kind == "tensor":
                locations.update(_location(fields))
            elif kind == "attribute":
                labels.update(_class_labels(fields))
    except (IndexError, ValueError) as error:
        raise InputError(f"cannot read {path}: it is no ONNX model") from error
    external = tuple(sorted(locations))
    total = hashlib.sha256(content)
    for location in external:
        total.update(f"\0{location}\0{_digest(path, location)}".encode())
    return OnnxFile(total.hexdigest(), external, labels.pop() if len(labels) == 1 else None)


def _digest(model: Path, location: str) -> str:
    """Return the sha256 of a file of weights."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(location).is_absolute() or kind(location).drive or ".." in kind(location).parts:
            raise InputError(
                f"{model} wants weights at {location!r}: they must lie in the model's own folder"
            )
    path = model.parent / location
    if not path.is_file():
        raise InputError(
            f"{model} wants weights at {location!r}, and {path} is no file: copy them there, too"
        )
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _messages(kind: str, data: memoryview) -> Iterator[tuple[str, list[_Field]]]:
    """Yield every message of interest with its fields, depth first, without recursion."""
    waiting = [(kind, data)]
    while waiting:
        kind, data = waiting.pop()
        fields = list(_fields(data))
        yield kind, fields
        inside = _INSIDE.get(kind, {})
        for number, value in fields:
            if number in inside and isinstance(value, memoryview):
                waiting.append((inside[number], value))


def _fields(data: memoryview) -> Iterator[_Field]:
    """Yield the fields of one message; ValueError or IndexError for other bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("the file ends early")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number of more than 64 bits")


def _location(tensor: list[_Field]) -> Iterator[str]:
    """Yield the file that a tensor's values lie in, if they do."""
    outside = any(number == 14 and value == 1 for number, value in tensor)  # data_location
    entries = [value for number, value in tensor if number == 13] if outside else []
    for entry in entries:
        if isinstance(entry, memoryview):
            texts = {n: bytes(v) for n, v in _fields(entry) if isinstance(v, memoryview)}
            if texts.get(1) == b"location":
                yield texts.get(2, b"").decode()


def _class_labels(attribute: list[_Field]) -> Iterator[tuple[int, ...]]:
    """Yield the labels of a classifier's columns, in their order."""
    names = [bytes(v) for n, v in attribute if n == 1 and isinstance(v, memoryview)]
    if not any(name in _CLASS_LABELS for name in names):
        return
    numbers: list[int] = []
    for number, value in attribute:
        if number == 8 and isinstance(value, int):
            numbers.append(value)
        elif number == 8 and isinstance(value, memoryview):  # packed
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                numbers.append(one)
    yield tuple(n - 2**64 if n >= 2**63 else n for n in numbers)  # two's complement
