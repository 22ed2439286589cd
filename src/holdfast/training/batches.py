"""The batches of a run, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from holdfast.data import Batch, Examples, Stream, epoch_order
from holdfast.distributed import Group
from holdfast.errors import InputError


class Feed(Protocol):
    """Batches for the loop."""

    @property
    def seekable(self) -> bool:
        """True if an epoch can be entered in the middle."""
        ...

    @property
    def steps(self) -> int:
        """Return the number of batches of an epoch."""
        ...

    @property
    def least(self) -> int:
        """Return the number of examples of the smallest batch that a process gets."""
        ...

    @property
    def label_counts(self) -> Tensor:
        """Return (K,) int64: how many examples each class has."""
        ...

    def batches(self, seed: int, epoch: int, start: int) -> Iterator[Batch]:
        """Yield an epoch's batches from the `start`-th on."""
        ...


@dataclass(frozen=True, kw_only=True)
class FromExamples:
    """Whole batches in an order of each epoch's own; the last, partial one is dropped.

    A set smaller than one batch is one batch. Every process of the group takes its part.
    """

    examples: Examples
    batch_size: int  # of all processes together
    group: Group = Group()
    seekable: bool = True

    @property
    def steps(self) -> int:
        return max(1, len(self.examples) // self.batch_size)

    @property
    def least(self) -> int:
        return min(len(self.examples), self.batch_size) // self.group.size

    @property
    def label_counts(self) -> Tensor:
        return torch.bincount(self.examples.y, minlength=self.examples.num_classes)

    def batches(self, seed: int, epoch: int, start: int) -> Iterator[Batch]:
        order = epoch_order(len(self.examples), seed, epoch)
        for position in range(start, self.steps):
            chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
            yield self.examples.batch(self.group.share(chosen))


@dataclass(frozen=True, kw_only=True)
class FromStream:
    """The batches of an iterable as they come; it is read from the start in every epoch.

    A batch of one example, as the last often is, joins the one before it.
    """

    stream: Stream
    steps: int
    least: int
    label_counts: Tensor  # (K,) int64
    seekable: bool = False

    def batches(self, seed: int, epoch: int, start: int) -> Iterator[Batch]:
        assert start == 0, "an epoch of a stream begins at its start"
        return islice(_labeled(self.stream, len(self.label_counts)), self.steps)


def feed(data: Examples | Stream, batch_size: int, num_classes: int, group: Group) -> Feed:
    """Return the batches of `data`. A stream is read once to count them, and keeps its own size."""
    if isinstance(data, Examples):
        group.check(batch_size)
        if len(data) < group.size:
            raise InputError(f"{data.name} has {len(data)} examples for {group.size} processes")
        return FromExamples(examples=data, batch_size=batch_size, group=group)
    if group.size > 1:
        raise InputError("an iterable cannot be shared by processes: pass a torch Dataset")
    sizes, counts = [], torch.zeros(num_classes, dtype=torch.int64)
    for batch in _labeled(data, num_classes):
        sizes.append(len(batch))
        counts += torch.bincount(batch.y, minlength=num_classes)
    return FromStream(stream=data, steps=len(sizes), least=min(sizes), label_counts=counts)


def _labeled(stream: Stream, num_classes: int) -> Iterator[Batch]:
    """Yield the batches of one pass; InputError for a label that the network has no output for."""
    for batch in _no_single(stream):
        if int(batch.y.max()) >= num_classes:
            raise InputError(f"labels must be below {num_classes}, got {int(batch.y.max())}")
        yield batch


def _no_single(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches; one of a single example joins its neighbor, unless that is of one, too.

    Batch normalization has no statistics of one example, and PyTorch refuses to train with it.
    """
    held: Batch | None = None
    for batch in batches:
        if held is None:
            held = batch
        elif (len(held) == 1) != (len(batch) == 1) and held.x.shape[1:] == batch.x.shape[1:]:
            held = Batch(*map(torch.cat, zip(_parts(held), _parts(batch), strict=True)))
        else:
            yield held
            held = batch
    if held is not None:
        yield held


def _parts(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.x, batch.y, batch.ids
