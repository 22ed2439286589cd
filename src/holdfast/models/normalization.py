"""The statistics that a network's inputs are normalized by: one number, or one per channel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from holdfast.errors import InputError
from holdfast.inputs import to_tensor

Channel = float | Sequence[float] | Tensor
"""One number, or one per channel."""


def per_channel(statistic: Tensor, x: Tensor) -> Tensor:
    """Shape a statistic so that it broadcasts over a batch (N, C, ...)."""
    if statistic.dim() == 0:
        return statistic
    if statistic.dim() == 1:
        statistic = statistic.view(-1, *[1] * (x.dim() - 2))
    if statistic.shape[0] != x.shape[1]:
        raise InputError(
            f"normalize has {statistic.shape[0]} channels, got inputs of shape "
            f"{tuple(x.shape)}: give one number, or one per channel of x (N, C, ...)"
        )
    return statistic


def statistics(normalize: tuple[Channel, Channel] | None) -> tuple[Tensor | None, Tensor | None]:
    """Return mean and std as tensors; InputError for anything else."""
    if normalize is None:
        return None, None
    try:
        mean, std = (
            to_tensor(statistic, "normalize").detach().float().clone() for statistic in normalize
        )
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"normalize must be a pair (mean, std) of numbers, one or one per channel, "
            f"got {normalize!r}"
        ) from error
    if not (mean.isfinite().all() and std.isfinite().all() and (std > 0).all()):
        raise InputError(
            f"normalize needs finite means and std > 0, "
            f"got mean {mean.tolist()} and std {std.tolist()}: check their order (mean, std)"
        )
    if mean.dim() and std.dim() and mean.shape != std.shape:
        raise InputError(
            f"normalize needs a mean and a std of the same length, "
            f"got shapes {tuple(mean.shape)} and {tuple(std.shape)}"
        )
    return mean, std
