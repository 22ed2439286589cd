"""Weights and training states as safetensors: named, hashed, and refused where they do not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as decode
from safetensors.torch import save as encode
from torch import Tensor, nn

from holdfast.errors import InputError, StorageError
from holdfast.storage import read_file, write_atomic


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return every parameter and buffer by name, also non-persistent buffers; shared ones once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@torch.no_grad()
def assign(module: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Copy tensors into a module's parameters and buffers, all of them and no others.

    Raises InputError, before anything is copied, if a name, shape or dtype differs.
    """
    mine = tensors_of(module)
    wrong = [_difference(name, mine.get(name), tensors.get(name)) for name in {**mine, **tensors}]
    found = [text for text in wrong if text]
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise InputError(
            f"{source} belongs to another architecture: {found[0]}{more}; "
            "build the network that it was trained with"
        )
    for name, tensor in mine.items():
        tensor.copy_(tensors[name])


def _difference(name: str, mine: Tensor | None, theirs: Tensor | None) -> str:
    if mine is None:
        return f"the network has no {name}"
    if theirs is None:
        return f"the file has no {name}"
    if mine.shape != theirs.shape:
        return f"{name} is {tuple(theirs.shape)} in the file, {tuple(mine.shape)} in the network"
    if mine.dtype != theirs.dtype:
        return f"{name} is {theirs.dtype} in the file, {mine.dtype} in the network"
    return ""


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors atomically as safetensors and return the sha256 of the file."""
    plain = {
        # clone: safetensors refuses tensors that share memory
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in tensors.items()
    }
    data = encode(plain)
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest()


def read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """Read tensors whose file must have the given sha256; StorageError if it is damaged."""
    data = read_file(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StorageError(f"{path} is truncated or altered: its sha256 is not the stored one")
    try:
        return decode(data)
    except SafetensorError as error:
        raise StorageError(f"{path} is not a readable safetensors file: {error}") from None
