"""Digests of models, tensors and files, equal for equal contents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.storage import LARGEST, open_file

_WRAPPED = ("module", "_orig_mod")  # the child of DataParallel and DDP; of torch.compile
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # differs in every process


@checked
def model_digest(model: nn.Module) -> str:
    """Return the sha256 of a model: its module tree, parameters and buffers.

    The tree counts with class names and `extra_repr` of every module; parameters and all buffers,
    also non-persistent ones, with name, dtype, shape and bytes. A module with a `holdfast_digest`
    counts with the value of that method alone. Layout, device, `requires_grad`, training flags,
    data parallelism and compilation do not count. The code of `forward` is not seen: a claim
    stores logits on probes for that.
    """
    parts = sorted(_parts(model), key=lambda part: part[:2])
    total = hashlib.sha256()
    for part in parts:
        for text in part:
            data = text.encode()
            total.update(len(data).to_bytes(8, "big") + data)  # lengths keep fields apart
    return total.hexdigest()


def _parts(model: nn.Module) -> Iterator[tuple[str, str, str]]:
    """Yield (name, type, content) for every module and tensor of a model."""
    for name, module in _modules(model):
        # Not the Python module: the same class may come from a script or from an import.
        yield name, "module", _kind(module)
        yield name, "settings", _ADDRESS.sub("", module.extra_repr())
        if callable(fingerprint := getattr(module, "holdfast_digest", None)):
            yield name, "fingerprint", str(fingerprint())
        prefix = f"{name}." if name else ""
        for leaf, weight in module.named_parameters(recurse=False, remove_duplicate=False):
            yield prefix + leaf, "parameter", tensor_digest(weight)
        for leaf, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            yield prefix + leaf, "buffer", tensor_digest(buffer)


def _kind(module: nn.Module) -> str:
    """Return the class that counts: one for all TorchScript, whose copies and files change it."""
    scripted = isinstance(module, torch.jit.ScriptModule)
    return "RecursiveScriptModule" if scripted else type(module).__qualname__


def _modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules by name, as if no parallel or compiled wrapper stood anywhere."""
    clean: dict[str, str] = {"": ""}
    wrappers: set[str] = set()
    covered: tuple[str, ...] = ()  # covered by a digest of its own
    for raw, module in model.named_modules(remove_duplicate=False):
        if raw.startswith(covered):
            continue
        if hasattr(module, "holdfast_digest"):
            covered += (f"{raw}." if raw else "",)
        parent, _, leaf = raw.rpartition(".")
        if raw and parent in wrappers and leaf in _WRAPPED:
            clean[raw] = clean[parent]
        elif raw:
            clean[raw] = f"{clean[parent]}.{leaf}" if clean[parent] else leaf
        if _is_wrapper(module):
            wrappers.add(raw)
        else:
            yield clean[raw], module


def _is_wrapper(module: nn.Module) -> bool:
    """Return True for a module that only calls its one child: by exact type, no subclass of it."""
    kind = type(module)
    compiled = kind.__module__.startswith("torch._dynamo.") and hasattr(module, "_orig_mod")
    return kind in (nn.DataParallel, nn.parallel.DistributedDataParallel) or compiled


@checked
def tensor_digest(value: Tensor) -> str:
    """Return the sha256 of a tensor's dtype, shape and contents in row-major order."""
    flat = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    head = f"{value.dtype} {tuple(value.shape)} "
    return hashlib.sha256(head.encode() + flat.view(torch.uint8).numpy().tobytes()).hexdigest()


@checked
def file_digest(path: Path, limit: int = LARGEST) -> str:
    """Return the sha256 of a file's bytes; StorageError if it cannot be read or is larger."""
    with open_file(Path(path), limit) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
