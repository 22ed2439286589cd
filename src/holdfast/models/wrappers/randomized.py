"""Networks whose answer depends on chance: how they are averaged, and one that is made so."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from holdfast.arguments import checked
from holdfast.deadline import check_deadline
from holdfast.errors import InputError
from holdfast.models.adapter import Model, answer, wrap
from holdfast.models.wrappers.transforms import Transform
from holdfast.rng import Rng, own_randomness
from holdfast.units import Seed


class Draws:
    """The mean logits of several passes through a network that draws.

    Every pass gets a stream of its own, a function of the seed, and leaves the global generators as
    they were. common: the same draws at every look, so that points of a search compare; else each
    look draws anew.
    """

    @checked
    def __init__(self, count: int, rng: Rng, *, common: bool) -> None:
        self.count = count
        self.origin = (rng.seed, rng.path, rng.step)
        self.common = common
        self.looks = 0

    def mean(self, model: nn.Module, x: Tensor) -> Tensor:
        """Return (B, K): the logits, averaged; differentiable."""
        look = 0 if self.common else self.looks
        self.looks += 1
        total: Tensor | None = None
        for k in range(self.count):
            check_deadline()
            with own_randomness(x.device, *self.origin, look, k):
                logits = answer(model, x)
            total = logits if total is None else total + logits
        assert total is not None, "count is at least 1"
        return total / self.count


class Transformed(Model):
    """A network that sees its input through random transformations.

    Its inputs and outputs stay the same. With `looks` = 0 each pass is one random look,
    drawn from PyTorch's generator: expectation over transformation searches with it. With
    more, a pass returns the mean logits of so many fixed looks, the same for every example: a model
    without chance, which a claim can be about.
    """

    @checked
    def __init__(
        self, model: nn.Module, transforms: tuple[Transform, ...], looks: int = 0, seed: Seed = 0
    ) -> None:
        inner = wrap(model)
        super().__init__(inner, None, None, inner.range)
        if not transforms or looks < 0:
            raise InputError(
                f"give at least one transformation and looks of 0 or more, got {len(transforms)} "
                f"and {looks}"
            )
        self.transforms = transforms
        self.looks = looks
        self.seed = seed

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, K) of x (N, C, H, W): of one random look, or the mean of fixed ones."""
        if x.dim() != 4:
            raise InputError(f"transformations need images (N, C, H, W), got {tuple(x.shape)}")
        ids = torch.arange(len(x), device=x.device)
        if not self.looks:
            return self._look(x, Rng(int(torch.randint(2**62, ())), ids))
        fixed = Rng(self.seed, torch.zeros_like(ids))
        total = self._look(x, fixed)
        for k in range(1, self.looks):
            total = total + self._look(x, fixed.at(k))
        return total / self.looks

    def _look(self, x: Tensor, at: Rng) -> Tensor:
        for place, transform in enumerate(self.transforms):
            x = transform(x, at.fold("transform", place))
        logits: Tensor = self.module(x.clamp(*self.range))
        return logits

    def extra_repr(self) -> str:
        """Return the text that the digest of the model must cover."""
        return f"transforms={self.transforms}, looks={self.looks}, seed={self.seed}"
