"""A network's answer in train mode, before a run writes anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from holdfast.errors import HoldfastError, InputError
from holdfast.models import Model
from holdfast.models.buffers import kept_buffers
from holdfast.rng import own_randomness


def rehearse(model: Model, x: Tensor, seed: int) -> None:
    """Run the network once on x (B, ...) as a step will; InputError for anything it raises.

    x: the smallest batch of the run. Modes, buffers and random states are as they were afterwards.
    """
    try:
        with own_randomness(x.device, seed, "rehearsal"), torch.no_grad(), _restored(model):
            if not model.module.training:
                model.train()
            model(x)
    except HoldfastError:
        raise
    except Exception as error:  # a user's network may raise anything
        size, fix = f"a batch of {len(x)} examples", "make its forward work in train mode"
        if len(x) == 1:
            size, fix = "a batch of 1 example", "give more of them, or larger batches"
        raise InputError(
            f"the network cannot be trained on {size} ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0]}): {fix}"
        ) from error


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Give back modes and buffers."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with kept_buffers(model):
            yield
    finally:
        for module, training in modes:
            module.training = training
