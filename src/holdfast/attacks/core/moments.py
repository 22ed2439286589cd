"""Running moments of gradients, as Adam keeps them (Kingma and Ba, 2015)."""

from __future__ import annotations

import torch
from torch import Tensor

FIRST = 0.9  # weights of the past in the two averages of Adam
SECOND = 0.999


class Moments:
    """Adam's averages of the gradient and of its square (Kingma and Ba, 2015, algorithm 1).

    Coordinates are on their own, so examples are, too.
    """

    def __init__(self, like: Tensor) -> None:
        self.first, self.second = torch.zeros_like(like), torch.zeros_like(like)
        self.count = 0

    def see(self, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Take a gradient in; return the mean and the root mean square, corrected for the start."""
        self.count += 1
        self.first.mul_(FIRST).add_((1 - FIRST) * grad)
        self.second.mul_(SECOND).add_(grad.square().mul_(1 - SECOND))
        mean = self.first / (1 - FIRST**self.count)
        return mean, (self.second / (1 - SECOND**self.count)).sqrt_().add_(1e-8)


class ScaleFreeAdam:
    """Adam's step in float64 and without its small constant: no scale of the loss is too small.

    Unlike `Moments` it may be told which coordinates were seen, and keeps count of each.
    """

    def __init__(self, z: Tensor, decay: tuple[float, float] = (0.9, 0.999)) -> None:
        self.decay = decay
        self.first, self.second, self.count = (
            torch.zeros_like(z, dtype=torch.float64) for _ in range(3)
        )

    def direction(self, grad: Tensor, seen: Tensor | None = None) -> Tensor:
        """Take a gradient (B, ...) into account where `seen`; return the step there, else zero."""
        seen = torch.ones_like(grad, dtype=torch.bool) if seen is None else seen
        fast, slow = self.decay
        exact = grad.double()
        self.first = torch.where(seen, fast * self.first + (1 - fast) * exact, self.first)
        second = slow * self.second + (1 - slow) * exact.square()
        self.second = torch.where(seen, second, self.second)
        self.count = self.count + seen
        mean = self.first / (1 - fast**self.count)
        deviation = (self.second / (1 - slow**self.count)).sqrt()
        moves = seen & (deviation > 0)
        return torch.where(moves, mean / torch.where(moves, deviation, 1.0), 0.0).to(grad.dtype)
