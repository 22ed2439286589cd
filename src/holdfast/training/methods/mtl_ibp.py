"""Adversarial training with a share of certified training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from holdfast.attacks import RFGSM, Attack, Scatter
from holdfast.certification import logit_gaps
from holdfast.components import register
from holdfast.data import Batch
from holdfast.threat import Boxed, ThreatModel
from holdfast.training.methods.base import Learner, Method, check_set, smoothed
from holdfast.units import Share


@register("method", name="mtl_ibp")
@dataclass(frozen=True, kw_only=True)
class MTLIBP(Method):
    """Mix the loss under attack with a bound of it (De Palma et al., 2024, arXiv:2305.13991).

    (1 - weight) x cross-entropy where the attack ends + weight x cross-entropy of the worst logits
    that interval arithmetic allows (Gowal et al., 2018). A small weight is enough to keep the
    network from hiding its gradients: a bound cannot be fooled as a short attack can. Grow the
    radius from 0 (`ramp` in the plan). Costs the attack, one forward and one backward pass, and
    for the bounds two of each through linear layers.

    For networks of `nn.Sequential` (see `holdfast.models.logit_gaps`) and sets that are boxes.
    """

    needs = (Boxed,)

    weight: Share = 0.03  # of the certified part
    attack: Attack = RFGSM(step_size=1.25, start=Scatter())

    def loss(
        self,
        model: Learner,
        batch: Batch,
        found: Tensor,
        threat: ThreatModel,
        smoothing: float = 0.0,
    ) -> Tensor:
        attacked = smoothed(model(found), batch.y, smoothing)
        bounds = logit_gaps(model.network, *self._box(batch, threat), batch.y)
        return (1 - self.weight) * attacked + self.weight * smoothed(bounds, batch.y, smoothing)

    def _box(self, batch: Batch, threat: ThreatModel) -> tuple[Tensor, Tensor]:
        """Return the bounds of every input, or raise Unsupported for a set that is no box."""
        region = threat.space.around(batch.x)
        check_set(self, threat, region)
        assert isinstance(region, Boxed), "check_set() has checked this"
        return region.box()
