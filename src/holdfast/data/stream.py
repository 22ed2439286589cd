"""Batches that can only be read in the order in which they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor

from holdfast.data.examples import Batch, Examples, check_bytes, from_tensors, scale_bytes
from holdfast.data.fields import BY_NAME, Fields, is_single, pair, together
from holdfast.errors import HoldfastError, InputError, in_one_line
from holdfast.inputs import UNIT, check_input

_TOGETHER = 128  # single examples that make a batch


@dataclass(frozen=True, eq=False)
class Stream:
    """An iterable of batches (x, y), for training that resumes per epoch only, and for evaluation.

    Single examples, whose label is one number, are put together in batches of 128. It cannot be
    shuffled, split or read from the middle; ids count the examples as they come.
    """

    batches: Iterable[Any]
    name: str = "stream"
    range: tuple[float, float] = UNIT
    fields: Fields = BY_NAME

    def __iter__(self) -> Iterator[Batch]:
        """Read it once, from the start; InputError if there is nothing (left) to read."""
        seen, brightest = 0, 0
        for x, y in self._pairs():
            if x.numel():
                brightest = max(brightest, int(x.max()) if x.dtype is torch.uint8 else 255)
            x = scale_bytes(x, self.range)
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
        """Yield x (B, ...) and y (B,), single examples put together; InputError names the batch."""
        number, waiting = 0, []
        for item in self._items():
            x, y = self.fields.of(item)
            if is_single(y):
                waiting.append((x, y))
                if len(waiting) < _TOGETHER:
                    continue
            if waiting:
                yield self._together(waiting, number)
                number, waiting = number + 1, []
            if not is_single(y):
                yield pair((x, y))
                number += 1
        if waiting:
            yield self._together(waiting, number)

    def _items(self) -> Iterator[Any]:
        batches = iter(self.batches)
        for number in count():
            try:
                item = next(batches)
            except StopIteration:
                return
            except HoldfastError:
                raise
            except Exception as error:  # a user's iterable may raise anything
                raise self._unmade("batch", number, error) from error
            yield item

    def _together(self, examples: list[tuple[Any, Any]], number: int) -> tuple[Tensor, Tensor]:
        try:
            return together(examples)
        except HoldfastError:
            raise
        except (TypeError, ValueError, RuntimeError) as error:
            raise self._unmade("batch", number, error) from error

    def _unmade(self, noun: str, number: int, error: Exception) -> InputError:
        return InputError(
            f"{noun} {number} of {self.name} cannot be made ({_said(error)}): "
            "check that its examples can be read and are tensors of one size"
        )

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
    """Return the informative line of an error; a worker's comes with its traceback."""
    lines = str(error).strip().splitlines() or [""]
    return lines[-1] if lines[0].startswith("Caught") else in_one_line(error)
