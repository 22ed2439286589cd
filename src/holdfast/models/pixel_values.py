"""Networks that take their images by name, as multimodal ones of Hugging Face do."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

NAME = "pixel_values"


class ByName(nn.Module):
    """A network that is given its inputs as `pixel_values=x`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Any:
        """Return the network's output for x."""
        return self.module(**{NAME: x})


def by_name(module: nn.Module) -> bool:
    """Return True if a network has an argument `pixel_values` that is not its first."""
    try:
        arguments = inspect.signature(module.forward).parameters
    except (TypeError, ValueError):  # of C++'s, as TorchScript's are
        return False
    first = next(iter(arguments.values()), None)
    if NAME not in arguments or first is None:
        return False
    return first.name != NAME or first.kind is inspect.Parameter.KEYWORD_ONLY
