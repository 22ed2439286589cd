"""Buffers of a network, kept over forward passes in train mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def kept_buffers(network: nn.Module) -> Iterator[None]:
    """Give back every buffer as it was, also those that a forward pass replaces."""
    before = [
        (module, name, buffer, buffer.clone())
        for module in network.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in before:
                buffer.copy_(value)
                if getattr(module, name, None) is not buffer:
                    setattr(module, name, buffer)
