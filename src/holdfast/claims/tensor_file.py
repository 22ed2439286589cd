"""Files of tensors in a claim: read whole, and refused unless they hold what they must."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

from holdfast.claims.schema import LARGEST_TENSORS
from holdfast.errors import StorageError, VerificationError
from holdfast.storage import read_file

_INTEGERS = frozenset(("ids", "y"))  # (N,) int64
_FLOATS = frozenset((torch.float16, torch.bfloat16, torch.float32, torch.float64))


def read_tensors(
    path: Path, needed: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Return the tensors of these names, all of one length; VerificationError for anything else.

    `ids` and `y` are whole numbers, one an example; `x`, `x_adv` and logits are floats; `z`, the
    point behind an input, has the type that its set gives it.
    """
    data = read_file(path, LARGEST_TENSORS)
    try:
        found = load(data)
    except StorageError:
        raise
    except Exception as error:  # of types that safetensors and PyTorch choose
        raise VerificationError(f"{path} cannot be read: {error}") from error
    wanted = [*needed, *(name for name in optional if name in found)]
    lengths = {len(found[name]) if found[name].ndim else -1 for name in wanted if name in found}
    if not found.keys() >= set(needed) or len(lengths) != 1 or -1 in lengths:
        raise VerificationError(f"{path} must hold {', '.join(needed)}, all of one length")
    for name in wanted:
        _check_type(path, name, found[name])
    return {name: found[name] for name in wanted}


def _check_type(path: Path, name: str, tensor: Tensor) -> None:
    if name in _INTEGERS:
        fits = tensor.dtype == torch.int64 and tensor.ndim == 1
    else:
        fits = name == "z" or tensor.dtype in _FLOATS
    if not fits:
        wanted = "(N,) int64" if name in _INTEGERS else "floats"
        raise VerificationError(
            f"{path}: {name} must be {wanted}, got {tensor.dtype} of shape {tuple(tensor.shape)}"
        )
