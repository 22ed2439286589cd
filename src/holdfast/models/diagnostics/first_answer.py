"""Checks of a model's first answer in a search, which cost no pass of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from holdfast.errors import HoldfastError
from holdfast.inputs import check_labels
from holdfast.models.adapter import Model
from holdfast.models.diagnostics.inspection import cannot_take, count_checked


@contextmanager
def checked_at_first(model: Model, x: Tensor, *labels: Tensor) -> Iterator[None]:
    """Check the first answer that `model` gives inside the block, before anything comes of it.

    x: (N, ...) inputs of the kind that it is asked. labels: (N,) each. Raises InputError for a
    model that cannot take x or that returns probabilities, and for a label that it has no logit of.
    """
    first = _First(model, x, labels)
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:  # a user's network may raise anything
        if first.asked and not first.answered:
            raise cannot_take(x, error) from error
        raise
    finally:
        first.release()


class _First:
    """Two hooks on a model that go with its first answer."""

    def __init__(self, model: Model, x: Tensor, labels: tuple[Tensor, ...]) -> None:
        self.x = x
        self.labels = labels
        self.asked = self.answered = False
        self._hooks = (
            model.register_forward_pre_hook(self._before),
            model.register_forward_hook(self._after),
        )

    def release(self) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()

    def _before(self, _: Any, __: Any) -> None:
        self.asked = True

    def _after(self, model: Any, _: Any, logits: Tensor) -> None:
        self.answered = True
        self.release()
        with torch.no_grad():
            count = count_checked(model, self.x, logits.detach(), self.labels[0])
        for labels in self.labels:
            check_labels(labels, count)
