"""Several networks asked as one: the surrogate of an attack that is to carry over."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.errors import InputError
from holdfast.models.adapter import answer


class MeanLogits(nn.Module):
    """The mean of the members' logits (Dong et al., 2018, arXiv:1710.06081, sec. 3.2).

    members: networks that take x in the same range and return logits (N, K), as `wrap` makes them.
    """

    @checked
    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = _non_empty(members)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, K)."""
        return _stack_logits(self.members, x).mean(0)


class MeanProbabilities(nn.Module):
    """The logarithm of the members' mean probabilities (Liu et al., 2017, arXiv:1611.02770, eq. 4).

    Cross-entropy of these logits is that of the mean probabilities.
    """

    @checked
    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = _non_empty(members)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, K) whose softmax is the mean of the members' softmax."""
        each = _stack_logits(self.members, x).log_softmax(2)
        return each.logsumexp(0) - math.log(len(each))


class MeanLosses(nn.Module):
    """Members whose losses are averaged, for any loss (Dong et al., 2018, sec. 3.2).

    It returns the logits of every member, (M, N, K): an objective that searches it climbs the mean
    of their losses, and takes the mean of their logits where it needs one answer.
    """

    @checked
    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = _non_empty(members)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (M, N, K)."""
        return _stack_logits(self.members, x)


def _non_empty(members: Sequence[nn.Module]) -> nn.ModuleList:
    if not members:
        raise InputError("an ensemble needs at least one network, got none")
    return nn.ModuleList(members)


def _stack_logits(members: nn.ModuleList, x: Tensor) -> Tensor:
    """Return (M, N, K): every member's logits; InputError where they do not fit together."""
    each = [answer(member, x) for member in members]
    shapes = {tuple(logits.shape) for logits in each}
    if len(shapes) > 1:
        raise InputError(
            f"members must return logits of one shape, got {sorted(shapes)}: "
            "take networks with the same classes"
        )
    return torch.stack(each)
