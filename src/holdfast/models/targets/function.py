"""A plain function as a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from holdfast.arguments import checked
from holdfast.models.targets.base import Target
from holdfast.models.targets.outputs import checked_outputs
from holdfast.units import Count


class Function(Target):
    """Any function of an array (N, ...): scores (N, K), (N, 1) or (N,), or labels (N,).

    It may call anything. Its code has no digest: of a claim's model, the name is
    compared and the logits on the claim's probes.
    """

    @checked
    def __init__(
        self,
        function: Callable[[NDArray[Any]], Any],
        outputs: str | None = None,
        *,
        num_classes: Count | None = None,
    ) -> None:
        self.function = function
        self.num_classes = num_classes
        self.outputs = checked_outputs(outputs, self.name)

    def ask(self, x: NDArray[Any]) -> Any:
        return self.function(x)

    @property
    def name(self) -> str:
        kind = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return f"function {kind.rpartition('<locals>.')[2]}"
