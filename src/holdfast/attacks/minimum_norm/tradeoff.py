"""What weighs the margin against the change: Carlini and Wagner's attacks, and EAD.

The weight c of each example, and Adam in coordinates in which the range has no ends.
"""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.attacks.core.moments import Moments
from holdfast.tensors import choose
from holdfast.threat import Normed

EDGE = 1e-6  # how far from the range's ends a search begins at least, in halves of its width


class BinarySearchConst:
    """Each example's c: up in orders of magnitude until it works, then halved in between."""

    def __init__(self, c: Tensor) -> None:
        self.c = c
        self.low, self.high = torch.zeros_like(c), torch.full_like(c, torch.inf)

    def update(self, reached: Tensor) -> None:
        """Take the outcome of a search with the present c into account."""
        self.high = torch.where(reached, torch.minimum(self.high, self.c), self.high)
        self.low = torch.where(reached, self.low, torch.maximum(self.low, self.c))
        middle = (self.low + self.high) / 2
        self.c = torch.where(self.high.isinf(), self.c * 10, middle)


class TanhSpace:
    """Adam on the coordinates w of z = middle + half the width * tanh(w), examples on their own."""

    def __init__(self, region: Normed, z: Tensor, step_size: float, edge: float = EDGE) -> None:
        self.low, self.high = region.range
        self.middle, self.half = (self.low + self.high) / 2, (self.high - self.low) / 2
        self.w = ((z - self.middle) / self.half * (1 - edge)).atanh()
        self.step_size = step_size
        self.moments = Moments(z)

    @property
    def z(self) -> Tensor:
        """Return the present point."""
        return (self.middle + self.half * self.w.tanh()).clamp(self.low, self.high)

    def step(self, down: Tensor, stay: Tensor) -> None:
        """Descend the function of gradient `down`, (B, ...) in z; who is to `stay` (B,) does."""
        slack = self.half * (1 - self.w.tanh().square())
        mean, root = self.moments.see(down * slack)
        moved = self.w - self.step_size * mean / root
        self.w = choose(stay, self.w, moved)
