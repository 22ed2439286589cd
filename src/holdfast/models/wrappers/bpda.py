"""Gradients for a model that has none: its own value forward, a twin's slope backward.

Backward pass differentiable approximation (BPDA; Athalye, Carlini and Wagner, 2018,
arXiv:1802.00420, sec. 4.1): a step g without a usable derivative is replaced, in the backward pass
alone, by a differentiable h with h(x) near g(x). The forward pass, and every score, stays the
model's own. An attack searches with the twin; the model itself judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.context import import_without_triton
from holdfast.copying import copied
from holdfast.errors import InputError, did_you_mean, in_one_line
from holdfast.models.adapter import Model, answer, wrap
from holdfast.rng import Rng
from holdfast.units import BatchSize, Count, Rate, Seed


class StraightThrough(nn.Module):
    """Compute `step` forward and differentiate `twin` backward; None: the identity.

    step: any function of a tensor, a module or not. Raises InputError where the twin's output has
    another shape than the step's.
    """

    @checked
    def __init__(
        self, step: Callable[[Tensor], Tensor], twin: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        self.step = step
        self.twin = twin

    def forward(self, x: Tensor) -> Tensor:
        """Return the exact output of the step, with the twin's gradient."""
        with torch.no_grad():
            value: Tensor = answer(self.step, x)
        slope = x if self.twin is None else answer(self.twin, x)
        if slope.shape != value.shape:
            other = "the identity" if self.twin is None else "the twin"
            raise InputError(
                f"the step returns shape {tuple(value.shape)} and {other} {tuple(slope.shape)}: "
                "give a differentiable twin that returns what the step returns"
            )
        return value + (slope - slope.detach())  # the second term is zero in value


@checked
def bpda(model: nn.Module, twins: Mapping[str, nn.Module | None]) -> Model:
    """Return a copy of `model` for a search, in which the named modules have other gradients.

    twins: the differentiable stand-in of each module, by its name in `named_modules()`; None: the
    identity. Weights are shared with the model, its values are the same bit for bit. Raises
    InputError for a name that the model does not have.
    """
    wrapped = wrap(model)
    shared = chain(wrapped.parameters(), wrapped.buffers())
    twin = copied(wrapped, shared)
    names = [name for name, _ in twin.module.named_modules() if name]
    for name, stand_in in twins.items():
        if name not in names:
            raise InputError(f"the model has no module {name!r}{did_you_mean(name, names)}")
        parent, _, leaf = name.rpartition(".")
        holder = twin.module.get_submodule(parent)
        setattr(holder, leaf, StraightThrough(twin.module.get_submodule(name), stand_in))
    return twin


@checked
def imitate(
    step: Callable[[Tensor], Tensor],
    twin: nn.Module,
    x: Tensor,
    *,
    steps: Count = 500,
    lr: Rate = 1e-3,
    batch_size: BatchSize = 64,
    seed: Seed = 0,
) -> nn.Module:
    """Train `twin` to imitate `step` on inputs x (N, ...), and return it.

    A stand-in for a step whose identity is no good approximation: mean squared error, Adam, batches
    that are a function of `seed`. The twin ends in eval mode.
    """
    if x.dim() == 0 or len(x) == 0:
        raise InputError(f"x must be examples of shape (N, ...), got shape {tuple(x.shape)}")
    _check_twin(step, twin, x[:2])
    import_without_triton()
    optimizer = torch.optim.Adam(twin.parameters(), lr=lr)
    twin.train()
    with torch.enable_grad():
        for k in range(steps):
            slots = Rng(seed, torch.arange(min(batch_size, len(x)))).at(k)
            part = x[slots.integers(0, len(x)).to(x.device)]
            with torch.no_grad():
                wanted = answer(step, part)
            optimizer.zero_grad(set_to_none=True)
            nn.functional.mse_loss(answer(twin, part), wanted).backward()
            optimizer.step()
    return twin.eval()


def _check_twin(step: Callable[[Tensor], Tensor], twin: nn.Module, x: Tensor) -> None:
    """Raise InputError unless the twin takes the step's input and returns its shape."""
    try:
        with torch.no_grad():
            wanted, found = step(x).shape, twin(x).shape
    except Exception as error:  # a user's code may raise anything
        raise InputError(
            f"step or twin cannot take x {tuple(x.shape)}: {in_one_line(error)}"
        ) from error
    if wanted != found:
        raise InputError(
            f"the step returns shape {tuple(wanted)} and the twin {tuple(found)}: "
            "give a differentiable twin that returns what the step returns"
        )
