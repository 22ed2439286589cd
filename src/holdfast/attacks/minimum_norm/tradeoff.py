"""Parts of Carlini and Wagner's attacks and of EAD: the search for c, and the tanh space."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.attacks.core.moments import Moments
from holdfast.tensors import select
from holdfast.threat import Normed

EDGE = 1e-6  # least distance of a start from the range's ends, in halves of its width


class BinarySearchConst:
    """Binary search of each example's c: times ten until a success, then bisection."""

    def __init__(self, c: Tensor) -> None:
        self.c = c
        self.low, self.high = torch.zeros_like(c), torch.full_like(c, torch.inf)

    def update(self, reached: Tensor) -> None:
        """Set the next c after a search with this one; reached: (B,) bool, True for a success."""
        self.high = torch.where(reached, torch.minimum(self.high, self.c), self.high)
        self.low = torch.where(reached, self.low, torch.maximum(self.low, self.c))
        middle = (self.low + self.high) / 2
        self.c = torch.where(self.high.isinf(), self.c * 10, middle)


class TanhSpace:
    """Adam on the coordinates w of z = middle + half the width * tanh(w), example by example."""

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
        """Descend along the gradient `down` in z, (B, ...), but for the examples in `stay` (B,)."""
        slack = self.half * (1 - self.w.tanh().square())
        mean, root = self.moments.see(down * slack)
        moved = self.w - self.step_size * mean / root
        self.w = select(stay, self.w, moved)
