"""Batches that can only be read in the order in which they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.data.examples import UNIT, Batch, Examples, as_float, check_bytes, from_tensors
from holdfast.errors import HoldfastError, InputError, in_one_line
from holdfast.inputs import check_input, to_tensor


@dataclass(frozen=True, eq=False)
class Stream:
    """An iterable of batches (x, y), for training that resumes per epoch only, and for evaluation.

    It cannot be shuffled, split or read from the middle; ids count the examples as they come.
    """

    batches: Iterable[Any]
    name: str = "stream"
    range: tuple[float, float] = UNIT

    def __iter__(self) -> Iterator[Batch]:
        """Read it once, from the start; InputError if there is nothing (left) to read."""
        seen, brightest = 0, 0
        for x, y in self._pairs():
            if x.numel():
                brightest = max(brightest, int(x.max()) if x.dtype is torch.uint8 else 255)
            x = as_float(x, self.range)
            check_input(x, y, self.range)
            yield Batch(x, y.long(), torch.arange(seen, seen + len(y)))
            seen += len(y)
        if not seen:
            raise InputError(
                f"{self.name} yields nothing: a generator can be read once only, "
                "pass an iterable that starts anew, such as a DataLoader or a list"
            )
        check_bytes(brightest, self.range, self.name)

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield x (B, ...) and y (B,); InputError names the batch that cannot be made."""
        batches = iter(self.batches)
        for number in count():
            try:
                item = next(batches)
            except StopIteration:
                return
            except HoldfastError:
                raise
            except Exception as error:  # whatever somebody's iterable raises
                raise InputError(
                    f"batch {number} of {self.name} cannot be made ({_said(error)}): "
                    "check that its examples can be read and are tensors of one size"
                ) from error
            yield pair(item)

    def collect(self, num_classes: int | None = None) -> Examples:
        """Return everything that it yields, held in memory; InputError unless of one shape."""
        x: list[Tensor] = []
        y: list[Tensor] = []
        for batch in self:
            if x and batch.x.shape[1:] != x[0].shape[1:]:
                raise InputError(
                    f"batch {len(x)} of {self.name} has examples of shape "
                    f"{tuple(batch.x.shape[1:])}, the first one {tuple(x[0].shape[1:])}: "
                    "resize them to one size"
                )
            x.append(batch.x)
            y.append(batch.y)
        return from_tensors(
            torch.cat(x), torch.cat(y), name=self.name, num_classes=num_classes, range=self.range
        )


def _said(error: Exception) -> str:
    """Return the line of an error that says what happened; a worker's comes with its traceback."""
    lines = str(error).strip().splitlines() or [""]
    return lines[-1] if lines[0].startswith("Caught") else in_one_line(error)


def pair(item: Any) -> tuple[Tensor, Tensor]:
    """Return a batch as tensors x (B, ...) and y (B,); InputError if it is something else."""
    if isinstance(item, list | tuple) and len(item) == 2:
        x, y = item
        if isinstance(x, Tensor | np.ndarray) and isinstance(y, Tensor | np.ndarray):
            return to_tensor(x, "x").detach().cpu(), to_tensor(y, "y").detach().cpu()
    shape = f"{type(item).__name__} of {len(item)}" if hasattr(item, "__len__") else type(item)
    raise InputError(
        f"a batch must be a pair of tensors (x, y), got {shape}: "
        "return pairs from the dataset (transform=ToTensor()), or pass a DataLoader with collate_fn"
    )
