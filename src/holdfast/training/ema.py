"""An exponential moving average of the weights, which copies what is not a weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.copying import copied


class EMA:
    """A second network whose parameters follow another's slowly (Izmailov, 2018; Gowal, 2020).

    Parameters are averaged with decay min(decay, (1 + t) / (10 + t)) at update t, so the random
    start is forgotten early. Buffers (batch norm statistics) are copied by value: averaging counts
    is meaningless, and sharing storage would make the average follow the live network.
    """

    @checked
    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.module = copied(module).requires_grad_(False)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average towards the network's present parameters and copy its buffers."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        mine: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(module.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, buffer in zip(self.module.buffers(), module.buffers(), strict=True):
            own.copy_(buffer)
