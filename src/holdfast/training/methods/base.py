"""Base class of training methods: how inputs are perturbed, and the loss of the learner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.attacks import Attack, last
from holdfast.attacks.core.base import require
from holdfast.components import name_of
from holdfast.data import Batch
from holdfast.errors import Unsupported
from holdfast.logits import masked
from holdfast.losses import CrossEntropy
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces.catalog import fits, works_in
from holdfast.threat import Capability, Knowledge, Region, ThreatModel


class Learner(Protocol):
    """The network that learns, as the loop lends it to a method: calls are counted."""

    network: nn.Module  # for methods that look inside; calling it directly counts nothing

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits (N, K) of inputs (N, ...)."""
        ...


class Method:
    """The interface of every training method; subclasses are frozen dataclasses.

    adversarial: whether the method claims robustness. If so, checkpoints are chosen by robust
    validation accuracy and its collapse is watched for; if not, they are chosen by clean accuracy.
    needs: capabilities of the set, besides those that the method's attack needs. attack: the
    learner's opponent; a method without one fills in `perturb`.
    """

    kind: ClassVar[str] = "method"
    adversarial: ClassVar[bool] = True
    needs: ClassVar[tuple[Capability, ...]] = ()
    attack: Attack

    @classmethod
    def slip(cls, value: Any) -> str | None:
        """Return the fix for a common mistake: an attack passed for a method."""
        return "write Madry(attack=...)" if isinstance(value, Attack) else None

    def perturb(self, model: nn.Module, batch: Batch, threat: ThreatModel, rng: Rng) -> Tensor:
        """Return the inputs (B, ...) to train on; nothing of the model is touched.

        That is where the method's `attack` ends, unless it fills in this.
        """
        return search(self.attack, model, batch, threat, rng)

    def loss(
        self,
        model: Learner,
        batch: Batch,
        found: Tensor,
        threat: ThreatModel,
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return (B,): the loss of the learner, from one call of `model`.

        found: (B, ...) from `perturb` under the same threat. Its logits are the last B rows of the
        call; a method that needs the unchanged inputs too puts them first. smoothing: of the
        labels, in [0, 1).
        """
        return smoothed(model(found), batch.y, smoothing)


def check_set(method: Method, threat: ThreatModel, region: Region) -> None:
    """Raise Unsupported for a set without the capabilities that the method itself needs."""
    if not fits(region, method.needs):
        where = works_in(name_of(type(method)), method.needs, threat.space)
        raise Unsupported(f"{where}: use another set, or a method such as madry or trades")


def white_box(threat: ThreatModel) -> ThreatModel:
    """Return the threat model as a learner plays it against itself: same set, same goal, all seen.

    Knowledge and budgets limit others; a learner always has its own gradients.
    """
    return replace(threat, knowledge=Knowledge.GRADIENT, queries=None)


def search(attack: Attack, model: nn.Module, batch: Batch, threat: ThreatModel, rng: Rng) -> Tensor:
    """Return where the attack ends (B, ...), from exactly its gradients and no pass to score it.

    It climbs the cross-entropy unless it brings its own loss (Madry et al., 2018, eq. 2.1).
    """
    objective = Objective(white_box(threat), model, batch.x, batch.y, loss=CrossEntropy())
    region = threat.space.around(batch.x)
    require(attack, objective, region)
    with objective.frozen():
        found = last(attack, objective, region, rng)
    return attacked_only(found, batch, threat)


def attacked_only(found: Tensor, batch: Batch, threat: ThreatModel) -> Tensor:
    """Return `found` (B, ...), with the examples that the goal leaves alone as they were."""
    attacked = threat.goal.applies(batch.y).view(-1, *[1] * (batch.x.dim() - 1))
    return torch.where(attacked, found, batch.x)


def smoothed(logits: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Return (B,): the cross-entropy with labels smoothed over all K classes (Szegedy, 2016).

    Classes that are masked get no share: theirs would be the whole loss.
    """
    if smoothing > 0 and bool((silent := masked(logits)).any()):
        log_p = F.log_softmax(logits, 1)
        others = -torch.where(silent, 0.0, log_p).sum(1) / (~silent).sum(1)
        return (1 - smoothing) * F.nll_loss(log_p, y, reduction="none") + smoothing * others
    return F.cross_entropy(logits, y, reduction="none", label_smoothing=smoothing)
