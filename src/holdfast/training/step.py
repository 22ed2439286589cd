"""One training step: attack, loss, backward, combine, clip, update, average, count."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from holdfast.data import Batch
from holdfast.distributed import Group
from holdfast.rng import Rng, own_randomness
from holdfast.threat import ThreatModel
from holdfast.training.methods import Method
from holdfast.training.optimizers import set_lr
from holdfast.training.plan import TrainPlan
from holdfast.training.state import TrainState

# Entries of TrainState.totals, summed over an epoch; predictions per class follow from PREDICTED
# on.
SEEN, LOSS, FOUND_RIGHT, CLEAN_SEEN, CLEAN_RIGHT, LATE_SEEN, LATE_LOSS, STOP = range(8)
PREDICTED = 8  # counted in the second half of the epoch, like LATE_*

NETWORK = "network"  # the name of the one network that this loop trains


@dataclass(frozen=True, kw_only=True)
class Step:
    """The common part of every step of a run.

    steps_per_epoch, num_classes: counts. group: the processes that share each batch.
    """

    method: Method
    threat: ThreatModel
    plan: TrainPlan
    steps_per_epoch: int
    num_classes: int
    group: Group = Group()

    def __call__(self, state: TrainState, batch: Batch, *, stop: bool = False) -> bool:
        """Take one step; return whether any process asked to stop after it."""
        model, optimizer = state.modules[NETWORK], state.optimizers[NETWORK]
        batch = self._prepare(batch, state)
        with own_randomness(batch.x.device, state.seed, state.step, self.group.rank):
            rng = Rng(state.seed, batch.ids).fold("train", state.epoch)
            threat = self.threat_at(state.step)
            found = self.method.perturb(model, batch, threat, rng)
            seen = Recorder(model)
            losses = self.method.loss(seen, batch, found, threat, self.plan.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            losses.mean().backward()
        sums = self._sums(state, batch, found is batch.x, losses.detach(), seen.logits)
        sums[STOP] = float(stop)
        sums = self.group.combine(_shared(model), sums)
        if self.plan.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), self.plan.clip)
        set_lr(optimizer, self.lr(state.step))
        optimizer.step()
        if NETWORK in state.averages:
            state.averages[NETWORK].update(model)
        state.totals += sums
        state.step += 1
        state.position += 1
        return stop if self.group.size == 1 else bool(sums[STOP] > 0)

    def lr(self, step: int) -> float:
        """Return the learning rate of a step, read in its middle: neither end of it is 0."""
        return self.plan.optimizer.lr * self.plan.schedule.at(self._progress(step))

    def threat_at(self, step: int) -> ThreatModel:
        """Return the training threat of a step: less than the threat while eps grows."""
        progress = self._progress(step)
        if progress >= self.plan.ramp:
            return self.threat
        return self.threat.with_eps(self.threat.space.radius * progress / self.plan.ramp)

    def _progress(self, step: int) -> float:
        return min((step + 0.5) / (self.plan.epochs * self.steps_per_epoch), 1.0)

    def _prepare(self, batch: Batch, state: TrainState) -> Batch:
        """Return the batch on the state's device, augmented."""
        batch = batch.to(state.totals.device)
        if self.plan.augment is None:
            return batch
        rng = Rng(state.seed, batch.ids).fold("augment", state.epoch)
        return replace(batch, x=self.plan.augment(batch.x, rng))

    @torch.no_grad()
    def _sums(
        self, state: TrainState, batch: Batch, clean: bool, losses: Tensor, logits: Tensor
    ) -> Tensor:
        """Return (T,) float64: this step's part of the totals, without waiting for the device."""
        predicted = logits.argmax(1)
        right = (predicted[-len(batch.y) :] == batch.y).sum()
        sums = torch.zeros_like(state.totals)
        sums[SEEN] = len(batch.y)
        sums[LOSS] = losses.sum(dtype=torch.float64)
        sums[FOUND_RIGHT] = right
        if clean or len(logits) > len(batch.y):
            sums[CLEAN_SEEN] = len(batch.y)
            sums[CLEAN_RIGHT] = (predicted[: len(batch.y)] == batch.y).sum()
        if 2 * state.position >= self.steps_per_epoch - 1:
            sums[LATE_SEEN] = len(batch.y)
            sums[LATE_LOSS] = sums[LOSS]
            sums[PREDICTED:] = torch.bincount(predicted, minlength=self.num_classes)
        return sums


class Recorder:
    """Calls a network and keeps its logits, so that counting costs no extra pass."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.logits: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        self.logits = logits.detach()
        return logits


def _shared(model: nn.Module) -> list[Tensor]:
    """Return the tensors to average over processes: gradients, and float buffers (batch norm).

    A parameter without gradient has none in any process, since all run the same network.
    """
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return gradients + [b for b in model.buffers() if b.is_floating_point()]
