"""Single-step adversarial training with noise beyond the radius and no clipping to it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from holdfast.attacks.core.base import value_and_grad
from holdfast.components import register
from holdfast.data import Batch
from holdfast.losses import CrossEntropy
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.threat import ThreatModel, Trait
from holdfast.training.methods.base import Method, attacked_only, white_box
from holdfast.units import OfRadius


@register("method", name="nfgsm")
@dataclass(frozen=True, kw_only=True)
class NFGSM(Method):
    """Train on noise plus one step, clipped to the range alone (de Jorge et al., 2022, N-FGSM).

    Inputs may leave the threat's set, up to (noise + step_size) x eps away: that is the method, and
    this keeps it from overfitting catastrophically. Two forward, one input-only, one full backward.
    """

    needs = (Trait.VECTOR,)

    noise: OfRadius = 2.0  # uniform start, fraction of the radius
    step_size: OfRadius = 1.0  # fraction of the radius

    def travel(self) -> float:
        """Return how far its step goes, as a fraction of the radius."""
        return self.step_size

    def perturb(self, model: nn.Module, batch: Batch, threat: ThreatModel, rng: Rng) -> Tensor:
        reach = self.noise + self.step_size
        wide = threat.space.around(batch.x, reach * threat.space.radius)
        noisy = threat.space.around(batch.x, self.noise * threat.space.radius)
        objective = Objective(white_box(threat), model, batch.x, batch.y, loss=CrossEntropy())
        with objective.frozen():
            z = noisy.init(rng.fold("start"))
            here, grad = value_and_grad(objective, wide, z, rng.at(0, of=1))
        moved = wide.step(here.z, grad, self.step_size / reach)
        return attacked_only(wide.realize(wide.project(moved), rng), batch, threat)
