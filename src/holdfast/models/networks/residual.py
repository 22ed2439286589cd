"""The pre-activation residual block and the trunk that both residual networks are made of."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3x3 convolutions, each after batch norm and rectifier (He et al., 2016, fig. 4e)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        changes = stride != 1 or before != after
        self.shortcut = nn.Conv2d(before, after, 1, stride=stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x))
        carried = x if self.shortcut is None else self.shortcut(active)
        inner = self.conv1(active)
        return cast("Tensor", carried + self.conv2(F.relu(self.norm2(inner))))


class PreActResNet(nn.Module):
    """A convolution, stages of blocks (all but the first halve the image), norm, mean, linear."""

    def __init__(
        self,
        channels: int,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        blocks: int,
        out: int,
    ) -> None:
        """Stage i has `blocks` blocks of `widths[i + 1]` channels; the stem has `widths[0]`."""
        super().__init__()
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.stages = nn.Sequential(
            *(
                _stage(before, after, stride, blocks)
                for (before, after), stride in zip(pairwise(widths), strides, strict=True)
            )
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        self.head = nn.Linear(widths[-1], out)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm(self.stages(self.stem(x))))
        return cast("Tensor", self.head(active.mean((2, 3))))


def _stage(before: int, after: int, stride: int, blocks: int) -> nn.Sequential:
    rest = (Block(after, after, 1) for _ in range(blocks - 1))
    return nn.Sequential(Block(before, after, stride), *rest)
