"""Several processes that train one network: each takes a part of every batch, nothing else differs.

The attack runs on each process alone. After the learner's backward pass, gradients and batch norm
statistics are averaged and sums added up, so that every process holds the same state at any time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from holdfast.errors import ConfigError, StorageError
from holdfast.locking import locked


@dataclass(frozen=True)
class Group:
    """The processes of this run: rank of this one, size of all."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """True if this process writes files and prints."""
        return self.rank == 0

    def share(self, positions: Tensor) -> Tensor:
        """Return this process's part of a global batch; all parts have one size."""
        return positions[self.rank :: self.size]

    def check(self, batch_size: int) -> None:
        """Refuse a global batch that cannot be split evenly."""
        if batch_size % self.size:
            raise ConfigError(
                f"batch_size must be a multiple of the {self.size} processes, got {batch_size}"
            )

    @torch.no_grad()
    def combine(self, averaged: Sequence[Tensor], summed: Tensor) -> Tensor:
        """Average tensors over the processes in place; return the sum of `summed` (T,) float64."""
        if self.size == 1:
            return summed
        flat = torch.cat([tensor.reshape(-1) for tensor in averaged])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in averaged])
        for tensor, part in zip(averaged, parts, strict=True):
            tensor.copy_(part.view_as(tensor))
        summed = summed.clone()
        dist.all_reduce(summed)
        return summed

    def total(self, counts: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes."""
        if self.size > 1:
            dist.all_reduce(counts)
        return counts

    @torch.no_grad()
    def start_alike(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def agree(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the first process's numbers, so that no decision differs near a tie."""
        if self.size == 1:
            return dict(values)
        where = "cuda" if dist.get_backend() == "nccl" else "cpu"
        numbers = torch.tensor(list(values.values()), dtype=torch.float64, device=where)
        dist.broadcast(numbers, 0)
        return dict(zip(values, numbers.tolist(), strict=True))

    @contextmanager
    def locked(self, folder: Path, work: str) -> Iterator[None]:
        """Keep all but these processes out of `folder`; the first one holds the lock for all.

        Raises StorageError, in every process, where others work there.
        """
        with ExitStack() as stack:
            refusal: StorageError | None = None
            if self.first:
                try:
                    stack.enter_context(locked(folder, work))
                except StorageError as error:
                    refusal = error
            free = self.agree({"free": float(refusal is None)})["free"]
            if refusal is not None:
                raise refusal
            if not free:
                raise StorageError(f"the first process cannot work in {folder}: see its error")
            yield

    def wait(self) -> None:
        """Return when every process is here."""
        if self.size > 1:
            dist.barrier()


def join(device: torch.device) -> Group:
    """Return the processes that torchrun or accelerate launched; one if none did.

    device: of this process; a CUDA device without number becomes its own one.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1 and not dist.is_initialized():
        here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
        apart = device.type == "cuda" and torch.cuda.device_count() >= here
        if apart:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if apart else "gloo")
    if not dist.is_initialized():
        return Group()
    return Group(dist.get_rank(), dist.get_world_size())
