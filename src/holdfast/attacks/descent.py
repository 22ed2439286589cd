"""What descents towards the nearest counterexample share: Adam's moments, the margin's scale."""

from __future__ import annotations

import torch
from torch import Tensor

from holdfast.attacks.points import Scored
from holdfast.tensors import norm, spread
from holdfast.threat import Normed

FIRST, SECOND = 0.9, 0.999  # weights of the past in Adam's two averages


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


def leveled(grad: Tensor) -> Tensor:
    """Return the gradient over its largest coordinate; zero where it is zero."""
    peak = norm(grad, torch.inf)
    return grad / spread(torch.where(peak > 0, peak, 1.0), grad)


def slope(region: Normed, here: Scored, grad: Tensor) -> Tensor:
    """Return (B,): how fast the loss grows with distance at most, in the norm; never zero.

    The loss over its slope is a length, whatever the scale of the logits.
    """
    steep = region.dual_norm(grad)
    flat = here.loss.abs().clamp_min(1e-30).nan_to_num(1.0, 1.0, 1.0)
    return torch.where(steep > 0, steep, flat)
