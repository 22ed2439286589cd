"""A set of labeled examples, each with an id that stays with it through every selection."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.errors import InputError
from holdfast.inputs import INTEGERS, UNIT, as_columns, check_labels, check_pair, check_values
from holdfast.outline import outlined
from holdfast.printable import printable
from holdfast.rng import Rng
from holdfast.units import Bounds, Count

BYTES = (0.0, 255.0)
DARK = 16  # a whole set of bytes without a larger one is scaled otherwise
_CHUNK = 1024  # examples that are hashed at once


@outlined
@dataclass(frozen=True, eq=False)
class Batch:
    """Some examples, ready to be computed with."""

    x: Tensor  # (B, ...) float32
    y: Tensor  # (B,) int64
    ids: Tensor  # (B,) int64

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on `device`."""
        return Batch(self.x.to(device), self.y.to(device), self.ids.to(device))


class Source(Protocol):
    """A source of pixels: memory, files, a user's dataset."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        ...

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the examples at `rows` (B,) as (B, ...), float32 or uint8."""
        ...


@outlined
@dataclass(frozen=True, eq=False)
class InMemory:
    """Examples held in one tensor."""

    x: Tensor  # (N, ...) float32 or uint8

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.x.shape[1:])

    def fetch(self, rows: Tensor) -> Tensor:
        return self.x.index_select(0, rows)


@dataclass(frozen=True, eq=False, repr=False)
class Examples:
    """A labeled set; position i is the example with id `ids[i]`, kept at `rows[i]` of `source`.

    `range` bounds every value of a batch. Data stored as uint8 are scaled to it when batched.
    `part` says which part of a set it is ("train", "validation", "test") where that is known;
    `given` is the name or path that finds the set again, None where no words do.
    """

    name: str
    source: Source
    rows: Tensor  # (N,) int64
    y: Tensor  # (N,) int64
    ids: Tensor  # (N,) int64, no two alike
    num_classes: int
    classes: tuple[str, ...] | None = None
    range: Bounds = UNIT
    part: str | None = None
    labels: tuple[int, ...] | None = None  # the data's own, which y counts; None: y has them
    given: str | None = None

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        part = "" if self.part is None else f", part {self.part!r}"
        return (
            f"<Examples {printable(self.name)}{part}: {len(self):,} of shape {self.shape}, "
            f"{self.num_classes} classes, values in {self.range[0]:g}..{self.range[1]:g}>"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.source.shape

    def batch(self, positions: Tensor) -> Batch:
        """Return the examples at `positions` (B,) int64, on the CPU."""
        x = scale_bytes(self.source.fetch(self.rows[positions]), self.range)
        return Batch(x, self.y[positions], self.ids[positions])

    def take(self, positions: Tensor) -> Examples:
        """Return the set of the examples at `positions` (M,) int64; they keep their ids."""
        rows, y, ids = self.rows[positions], self.y[positions], self.ids[positions]
        return replace(self, rows=rows, y=y, ids=ids, given=None)

    def select(self, ids: Tensor) -> Examples:
        """Return the examples with these `ids`, in their order; InputError if one is not here."""
        ordered, positions = self.ids.sort()
        found = torch.searchsorted(ordered, ids).clamp_max(len(self) - 1)
        absent = ids[ordered[found] != ids]
        if len(absent):
            raise InputError(
                f"{self.name} has no example with id {int(absent[0])}: "
                "use the set that the ids were taken from"
            )
        return self.take(positions[found])

    def in_columns(self, labels: tuple[int, ...] | None) -> Examples:
        """Return the set with labels as the columns of a model that stand for these `labels`.

        None: label k is column k. InputError for a label that has no column.
        """
        if labels == self.labels:
            return self
        if self.labels is not None:
            raise InputError(f"{self.name} counts the columns of a model with other classes")
        names, known = self.classes or (), max(labels or (0,))
        return replace(
            self,
            y=as_columns(self.y, labels),
            num_classes=len(labels or ()),
            classes=tuple(names[k] if known < len(names) else str(k) for k in labels or ()),
            labels=labels,
        )

    @property
    def fingerprint(self) -> str:
        """The sha256, in hex, of every value, label and id in order; independent of storage."""
        return self._hashes[0]

    @property
    def contents(self) -> Tensor:
        """(N,) int64: a hash of the values of each example, without its id, label or set."""
        return self._hashes[1]

    @cached_property
    def _hashes(self) -> tuple[str, Tensor]:
        """Hash the set and each example in one pass: reading may mean decoding files."""
        digest = hashlib.sha256(f"holdfast-examples-1 {len(self)} {self.shape}".encode())
        numbers = torch.arange(math.prod(self.shape))
        weights = Rng(0, numbers).fold("contents").integers(0, 2**62)
        each = []
        for positions in torch.arange(len(self)).split(_CHUNK):
            batch = self.batch(positions)
            for part in (batch.ids, batch.y, batch.x):
                digest.update(part.contiguous().numpy().tobytes())
            # A multilinear hash modulo 2^64: fast, and a changed bit evades any other as well.
            bits = batch.x.float().contiguous().view(torch.int32).flatten(1).long()
            each.append(bits @ weights)
        return digest.hexdigest(), torch.cat(each) if each else numbers[:0]


@checked
def from_tensors(
    x: Tensor,
    y: Tensor,
    *,
    ids: Tensor | None = None,
    name: str = "tensors",
    classes: tuple[str, ...] | None = None,
    num_classes: Count | None = None,
    range: Bounds = UNIT,
) -> Examples:
    """Return x (N, ...), uint8 or floats within `range`, and labels y (N,) as a set.

    ids: (N,) unique; by default the index. num_classes: by default as many as there are names, or
    as the labels need. Raises InputError for data that are no labeled set.
    """
    check_pair(x, y)
    x, y = x.detach().cpu(), y.cpu()
    if x.dtype is not torch.uint8:
        check_values(x, range)
        x = x.float()
    else:
        check_bytes(int(x.max()), range, name)
    count = num_classes or (len(classes) if classes else None)
    check_labels(y, count)
    y = y.long()
    ids = torch.arange(len(y)) if ids is None else ids.cpu()
    if ids.shape != y.shape or ids.dtype not in INTEGERS or len(ids.unique()) != len(ids):
        raise InputError(
            f"ids must be one unique whole number per example, got {ids.dtype} {tuple(ids.shape)} "
            f"for {len(y)}"
        )
    ids = ids.long()
    return Examples(
        name=name,
        source=InMemory(x),
        rows=torch.arange(len(y)),
        y=y,
        ids=ids,
        num_classes=count or class_count(y),
        classes=classes,
        range=range,
    )


def class_count(y: Tensor) -> int:
    """Return how many classes the labels y need, at least 2."""
    return max(int(y.max()) + 1, 2)


def check_bytes(most: int, range: Bounds, name: str) -> None:
    """Raise InputError if `most`, the largest byte of a whole set, is small, and bytes are scaled.

    The type says that 255 is white; the values of such a set say that 1 is, or 16.
    """
    if 0 < most <= DARK and tuple(range) != BYTES:
        held = "of 0 and 1 alone" if most == 1 else f"up to {most} alone"
        raise InputError(
            f"{name} holds bytes {held}, which would be divided by 255: pass floats, divided by "
            f"{most}, or bytes up to 255"
        )


def scale_bytes(x: Tensor, range: Bounds = UNIT) -> Tensor:
    """Return x as float32, bytes scaled so that 0..255 becomes `range`.

    For 0..1 that is division by 255, as everybody's `ToTensor` does it; bytes in 0..255 stay.
    """
    if x.dtype is not torch.uint8:
        return x.float()
    low, high = range
    if (low, high) == BYTES:
        return x.float()
    unit = x.float().div_(255)
    return unit if (low, high) == UNIT else unit.mul_(high - low).add_(low).clamp_(low, high)
