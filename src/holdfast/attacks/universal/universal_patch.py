"""Universal adversarial patch over random places and transforms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from holdfast.attacks.universal.apply_patch import transformed
from holdfast.attacks.universal.ascent import falling, summed_gradient
from holdfast.attacks.universal.fitting import Fitting, Universal, best_of_epochs
from holdfast.components import register
from holdfast.data import Batch
from holdfast.errors import InputError
from holdfast.losses import CrossEntropy, Loss
from holdfast.models.wrappers.transforms import BrightnessContrast, Rotation, Scaling, Transform
from holdfast.rng import Rng
from holdfast.spaces.catalog import works_in
from holdfast.tensors import as_image
from holdfast.threat import Placed
from holdfast.units import Count, OfRange


@register("universal")
@dataclass(frozen=True, kw_only=True)
class UniversalPatch(Universal):
    """Climb the mean over inputs, places and views of a patch (Brown et al., 2017, eq. 1).

    arXiv:1712.09665. Every example of every batch has a place and a view of its own.
    """

    epochs: Count = 30
    step_size: OfRange = 0.1  # of the range's width, falling linearly to a tenth of it
    transforms: tuple[Transform, ...] = (
        Rotation(),
        Scaling(),
        BrightnessContrast(),
    )  # of the patch
    cap: float = 9.0  # of the loss: examples beyond it no longer pull
    loss: Loss = CrossEntropy()

    def search(self, fitting: Fitting) -> Tensor:
        space, shape = fitting.threat.space, fitting.data.shape
        region = space.around(
            torch.zeros(1, *shape, dtype=torch.float32, device=fitting.device).clamp(*space.range)
        )
        if not isinstance(region, Placed):
            where = works_in("a universal patch", (Placed,), space)
            raise InputError(f"{where}; UAP() and Ascent() are for norm balls")
        low, high = space.range
        channels = as_image(region.x)[0]
        gray = region.x.new_full((fitting.groups, channels, *region.sides), (low + high) / 2)

        def advance(content: Tensor, batch: Batch, epoch: int) -> Tensor:
            grad = self._gradient(fitting, content, batch, epoch)
            length = falling(self.step_size, epoch, self.epochs) * (high - low)
            return (content + length * grad.sign()).clamp(low, high)

        return best_of_epochs(fitting, gray, self.epochs, advance)

    def _gradient(self, fitting: Fitting, content: Tensor, batch: Batch, epoch: int) -> Tensor:
        """Return (groups, C, h, w): the gradient of the summed capped loss at each patch."""
        region = fitting.threat.space.around(batch.x)
        assert isinstance(region, Placed), "it was, for other inputs of this shape"
        at = Rng(fitting.seed, batch.ids).fold("epoch", epoch)
        own = content[fitting.group(batch.y)].requires_grad_(True)
        with torch.enable_grad():
            seen, covers = transformed(own, self.transforms, region.range, at)
            z = region.pasted(seen, at.fold("place"), covers)
            x_adv = region.lift(z, at)
            return summed_gradient(fitting, batch, own, x_adv, loss=self.loss, cap=self.cap)
