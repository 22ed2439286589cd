"""Randomness without streams: a draw is a function of (seed, path, step, example id), nothing else.

A 64-bit counter hash (SplitMix64; Steele, Lea and Flood, 2014, sec. 4) replaces generators, so the
draws of an example never depend on its batch mates, on its place in the batch, on the device or on
earlier draws. That lets survivors be re-packed, resumed and sharded.
"""

from __future__ import annotations

import hashlib
import math
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.outline import outlined

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


@outlined
@dataclass(frozen=True, eq=False)
class Rng:
    """Draws for one batch of examples, each from its own counter-based sequence.

    seed: the run's seed. ids: (B,) int64, the keys of the examples' draws.
    """

    seed: int
    ids: Tensor  # (B,) int64
    path: str = ""
    step: int = 0
    of: int | None = None

    @property
    def progress(self) -> float:
        """The fraction of the search that is behind, in [0, 1); 0 when the length is unknown."""
        return self.step / self.of if self.of else 0.0

    def fold(self, name: str, i: int = 0) -> Rng:
        """Return an independent source for a named purpose, for example `fold("restart", 3)`."""
        return replace(self, path=f"{self.path}@{self.step}/{name}:{i}", step=0, of=None)

    def at(self, step: int, of: int | None = None) -> Rng:
        """Return the source for one step of a search of `of` steps."""
        return Rng(self.seed, self.ids, self.path, step, of)

    def take(self, idx: Tensor) -> Rng:
        """Return the source of the examples at positions `idx`; their draws stay the same."""
        return replace(self, ids=self.ids.index_select(0, idx))

    def uniform(self, shape: tuple[int, ...] = (), low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw (B, *shape) float32 uniformly from [low, high)."""
        bits = self._bits(shape, "uniform")
        unit = _shift(bits, 40, out=bits)
        return unit.to(torch.float32).mul_((high - low) / 2**24).add_(low)

    def normal(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw (B, *shape) float32 from the standard normal distribution (Box and Muller, 1958)."""
        bits = self._bits(shape, "normal")
        radius = _shift(bits, 40).add_(1).to(torch.float32).mul_(2.0**-24)
        angle = bits.bitwise_and_(0xFFFFFF).to(torch.float32).mul_(2 * math.pi * 2.0**-24)
        return radius.log_().mul_(-2).sqrt_().mul_(angle.cos_())

    def sign(self, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw (B, *shape) float32 from {-1, +1}."""
        bits = self._bits(shape, "sign")
        return _shift(bits, 63, out=bits).to(torch.float32).mul_(2).sub_(1)

    def integers(self, low: int, high: int, shape: tuple[int, ...] = ()) -> Tensor:
        """Draw (B, *shape) int64 from {low, ..., high - 1}."""
        bits = self._bits(shape, "integers")
        return _shift(bits, 1, out=bits).remainder_(high - low).add_(low)

    def _bits(self, shape: tuple[int, ...], purpose: str) -> Tensor:
        """Return (B, *shape) int64 of 64 random bits each."""
        key = _signed(_word(f"{self.seed}|{self.path}|{self.step}|{purpose}"))
        start = _mix(_mix(self.ids * _signed(_GOLDEN)).bitwise_xor_(key))  # (B,)
        count = torch.arange(1, math.prod(shape) + 1, device=self.ids.device)
        bits = _mix(start[:, None] + count.mul_(_signed(_GOLDEN)))
        return bits.reshape(len(self.ids), *shape)


def fresh_seed() -> int:
    """Return a seed from the operating system; no generator of anybody's is read."""
    return secrets.randbits(48)


def derive(seed: int, *names: object) -> int:
    """Return a 63-bit seed that is a function of `seed` and `names`, for code that needs one."""
    return _word("|".join(str(part) for part in (seed, *names))) >> 1


@contextmanager
def restored_states(*devices: torch.device) -> Iterator[None]:
    """Give back the global random states of Python, NumPy and PyTorch, on these devices too.

    Somebody's code may draw from any of them.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    try:
        with torch.random.fork_rng(devices=[d for d in devices if d.type == "cuda"]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def own_randomness(device: torch.device, *origin: Any) -> Iterator[None]:
    """Give networks that draw (dropout) a stream that is a function of `origin`; restore the old.

    The global generators of the CPU and of `device` are the same before and after.
    """
    seed = derive(int(origin[0]), "network", *origin[1:])
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _word(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


def _shift(bits: Tensor, by: int, out: Tensor | None = None) -> Tensor:
    """Return the bits shifted right without dragging the sign bit along, in memory of their own."""
    return torch.bitwise_right_shift(bits, by, out=out).bitwise_and_((1 << (64 - by)) - 1)


def _mix(bits: Tensor) -> Tensor:
    """Return the bits mixed, in the memory in which they lie: fresh memory would cost more."""
    aside = torch.empty_like(bits)
    bits.bitwise_xor_(_shift(bits, 30, out=aside)).mul_(_signed(_MIX_1))
    bits.bitwise_xor_(_shift(bits, 27, out=aside)).mul_(_signed(_MIX_2))
    return bits.bitwise_xor_(_shift(bits, 31, out=aside))
