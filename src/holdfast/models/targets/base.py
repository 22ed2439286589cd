"""Base class of targets: black boxes asked for answers, never differentiated."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.errors import HoldfastError, TargetError, in_one_line
from holdfast.models.targets.outputs import checked_outputs, scores_of

log = logging.getLogger("holdfast")


class Target:
    """The interface of every target: something outside of PyTorch that classifies.

    outputs: kind of its answers, "logits", "probabilities" or "labels"; stated, never guessed.
    num_classes: K, or None where the first answer tells. sealed: whether `settings` stand for all
    that it computes, so that a digest of them does. labels: the labels that its columns stand for,
    in their order; None: column k is label k.
    """

    outputs: str
    num_classes: int | None
    sealed: bool = False
    labels: tuple[int, ...] | None = None

    def ask(self, x: NDArray[Any]) -> Any:
        """Return the answers for x (N, ...): scores (N, K), (N, 1) or (N,), or labels (N,)."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """Return its name in claims."""
        raise NotImplementedError

    def settings(self) -> str:
        """Return its identity on one line, without secrets."""
        return self.name


class BlackBox(nn.Module):
    """A target as a module: inputs in, logits (N, K) without a gradient out.

    Logits are taken as they are, of probabilities the logarithms; a label is +1 for its class and
    -1 for every other. An example on which the target raises gets NaN: no attack on it succeeds,
    and it never counts as robust. offers: the knowledge that it can answer to.
    """

    @checked
    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target
        self.offers = "decision" if checked_outputs(target.outputs) == "labels" else "score"
        self._known = target.num_classes

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 logits (N, K) on the device of x.

        Raises TargetError where the target has never answered yet and raises on all of x.
        """
        given = x.detach().cpu().numpy()
        where, first = _distinct(given)
        parts = list(self._answers(given[first]))
        columns = self._known or 1
        filled = [np.full((1, columns), np.nan) if part is None else part for part in parts]
        scores = np.concatenate(filled).astype(np.float32)[where]
        return torch.from_numpy(scores).to(x.device)

    def _answers(self, given: NDArray[Any]) -> Iterator[NDArray[Any] | None]:
        """Yield scores part by part; None for a single example on which the target raises."""
        try:
            answer = self.target.ask(given.copy())  # which it may overwrite
            scores = scores_of(answer, self.target.outputs, len(given), self._known)
        except HoldfastError:
            raise
        except Exception as error:
            if len(given) > 1:
                parts = [p for half in np.array_split(given, 2) for p in self._answers(half)]
                if self._known is None and all(part is None for part in parts):
                    raise self._mute(error) from error
                yield from parts
            else:
                if self._known is None:
                    raise self._mute(error) from error
                log.warning("%s failed on an example: %s", self.target.name, in_one_line(error))
                yield None
        else:
            self._known = scores.shape[1]
            yield scores.copy()  # it may reuse its buffer

    def _mute(self, error: Exception) -> TargetError:
        return TargetError(
            f"{self.target.name} answers nothing, it raised {in_one_line(error)}: check that it "
            "takes arrays (N, ...) of the shape of the data"
        )

    @property
    def title(self) -> str:
        """Return its name in claims."""
        return self.target.name

    def __deepcopy__(self, memo: dict[int, Any]) -> BlackBox:
        """Share the target, which may be a session or a connection."""
        return copy.copy(self)

    def extra_repr(self) -> str:
        """Return the text that the digest of the model must cover."""
        return f"{self.target.settings()}, answers {self.target.outputs}"


def _distinct(x: NDArray[Any]) -> tuple[list[int], list[int]]:
    """Return which of the distinct rows each row is, and where each of them comes first.

    Batches are filled up with copies: one is enough to ask about.
    """
    seen: dict[bytes, int] = {}
    where = [seen.setdefault(row.tobytes(), len(seen)) for row in x]
    return where, [where.index(k) for k in range(len(seen))]
