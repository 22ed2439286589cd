"""A run made ready: arguments checked and completed, nothing written yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from holdfast import runtime
from holdfast.attacks.core.travel import warn_of_short_steps
from holdfast.components import build, describe
from holdfast.context import import_without_triton
from holdfast.data import Examples, Splits, Stream
from holdfast.data.adapt import Parts
from holdfast.distributed import Group, join
from holdfast.errors import InputError
from holdfast.inputs import check_labels
from holdfast.models import (
    Model,
    Network,
    Verdict,
    build_network,
    count_classes,
    inspect,
    wrap,
)
from holdfast.models.normalization import Channel
from holdfast.rng import Rng, own_randomness
from holdfast.threat import ThreatModel
from holdfast.threat.goals.targeted import check_class
from holdfast.threat.space import check_ranges
from holdfast.training.batches import Feed, feed
from holdfast.training.dry_run import rehearse
from holdfast.training.ema import EMA
from holdfast.training.methods import Method
from holdfast.training.methods.base import check_set
from holdfast.training.model_files import model_card
from holdfast.training.plan import TrainPlan
from holdfast.training.safetensors_io import tensors_of
from holdfast.training.state import TrainState
from holdfast.training.step import NETWORK, PREDICTED, Step
from holdfast.training.validation import Validator

NetworkLike = Network | nn.Module | dict[str, Any] | str
PROBE = 32  # validation examples that a user's network is looked at with before training


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """Everything that a run is made of.

    spec: the network as plain data, None for a user's user_module. test: the part that the run must
    not see, where the data brought one; its ids are kept, nothing else.
    """

    model: Model
    spec: dict[str, Any] | None
    examples: Examples | Stream
    held_out: Examples
    threat: ThreatModel
    method: Method
    plan: TrainPlan
    seed: int
    device: torch.device
    group: Group
    test: Examples | None = None

    @cached_property
    def card(self) -> dict[str, Any]:
        """Return the card of the model: everything but its weights."""
        classes = self.held_out.classes
        return model_card(
            self.model,
            self.spec,
            input_shape=list(self.held_out.shape),
            num_classes=self.num_classes,
            classes=None if classes is None else list(classes),
        )

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Return, as plain data, the facts that must be the same when the run is resumed."""
        card = {key: self.card[key] for key in self.card if key not in {"schema", "network"}}
        return {
            "network": self.spec,
            "model": card,
            "data": {"train": _listed(self.examples), "validation": _listed(self.held_out)},
            "threat": describe(self.threat),
            "method": describe(self.method),
            "plan": describe(self.plan),
            "seed": self.seed,
        }

    @property
    def parts(self) -> dict[str, Examples | Stream]:
        """Return the parts of the data by name, the test part included where there is one."""
        parts: dict[str, Examples | Stream] = {"train": self.examples, "validation": self.held_out}
        return parts if self.test is None else {**parts, "test": self.test}

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Return versions, machine, threads, device type and the number of processes."""
        return {
            **runtime.environment(),
            "device": self.device.type,
            "processes": self.group.size,
        }

    @cached_property
    def num_classes(self) -> int:
        """Return K as the network has it, which may be more than the labels that occur."""
        one = self.held_out.batch(torch.arange(1)).x
        return count_classes(self.model, one.to(_device(self.model)))

    @cached_property
    def feed(self) -> Feed:
        """Return the run's batches; a stream is read once to count them."""
        return feed(self.examples, self.plan.batch_size, self.num_classes, self.group)

    @property
    def step(self) -> Step:
        """Return the common part of every step of the run."""
        return Step(
            method=self.method,
            threat=self.threat,
            plan=self.plan,
            steps_per_epoch=self.feed.steps,
            num_classes=self.num_classes,
            group=self.group,
        )

    @property
    def validator(self) -> Validator:
        """Return the default validation: every held-out example, clean and under PGD."""
        return Validator(
            examples=self.held_out,
            threat=self.threat,
            seed=self.seed,
            batch_size=self.plan.batch_size,
            group=self.group,
        )

    def state(self) -> TrainState:
        """Return the state before the first step, on the run's device.

        A network in eval mode is switched to training; one in training mode keeps the modes of its
        layers, so that layers frozen on purpose stay so.
        """
        model, plan = self.model.to(self.device), self.plan
        if not model.module.training:
            model.train()
        self.group.start_alike(tensors_of(model).values())
        return TrainState(
            seed=self.seed,
            modules={NETWORK: model},
            optimizers={NETWORK: plan.optimizer.build(model)},
            averages={} if plan.ema is None else {NETWORK: EMA(model, plan.ema)},
            totals=torch.zeros(
                PREDICTED + self.num_classes, dtype=torch.float64, device=self.device
            ),
        )


def prepare(
    network: NetworkLike,
    data: Parts,
    *,
    threat: ThreatModel,
    method: Method,
    plan: TrainPlan,
    seed: int,
    normalize: tuple[Channel, Channel] | None,
    device: str | torch.device | None,
) -> TrainingSetup:
    """Return the run, or raise InputError or ConfigError where it cannot be trained."""
    import_without_triton()
    examples, held_out = (data.train, data.validation) if isinstance(data, Splits) else data
    if isinstance(network, Model):
        model = wrap(network, normalize)
    else:
        module = build_network(network, held_out.shape, held_out.num_classes, seed)
        if any(weight.is_inference() for weight in module.parameters()):
            raise InputError(
                "the network was made in inference mode, so it cannot be trained: build it outside "
                "of torch.inference_mode()"
            )
        model = wrap(module, normalize, threat.space.range)
    user_module, resolved = isinstance(network, nn.Module), runtime.resolve_device(device)
    setup = TrainingSetup(
        model=model,
        spec=None if user_module else describe(build("network", network)),
        examples=examples,
        held_out=held_out,
        threat=threat,
        method=method,
        plan=plan,
        seed=seed,
        device=resolved,
        group=join(resolved),
        test=data.test if isinstance(data, Splits) else None,
    )
    check_ranges(model.range, threat.space, held_out.range)
    _check_parts(setup)
    _check_labels(setup)
    check_class(setup.threat.goal, setup.num_classes, "training")
    warn_of_short_steps(method, threat.space)
    if user_module:
        _check_outputs(model, held_out)
    _dry_run(setup)
    if user_module:
        x = held_out.batch(torch.arange(setup.feed.least) % len(held_out)).x
        rehearse(model, x.to(_device(model)), seed)
    return setup


def _check_parts(setup: TrainingSetup) -> None:
    train, held_out = setup.examples, setup.held_out
    if not isinstance(train, Examples):
        return
    for name in ("shape", "range", "num_classes"):
        if getattr(train, name) != getattr(held_out, name):
            raise InputError(
                f"training and validation examples differ in {name}: "
                f"{getattr(train, name)} and {getattr(held_out, name)}"
            )
    if not (len(train) and len(held_out)):
        raise InputError(f"there are {len(train)} training and {len(held_out)} validation examples")


def _check_labels(setup: TrainingSetup) -> None:
    for part in (setup.examples, setup.held_out):
        if isinstance(part, Examples):
            check_labels(part.y, setup.num_classes)


def _dry_run(setup: TrainingSetup) -> None:
    """Perturb one example, so that a method that does not fit says so before anything is written.

    Raises Unsupported where it or its attack and the threat model do not fit.
    """
    device = _device(setup.model)
    batch = setup.held_out.batch(torch.arange(1)).to(device)
    check_set(setup.method, setup.threat, setup.threat.space.around(batch.x))
    with own_randomness(device, setup.seed, "try-out"):
        setup.method.perturb(setup.model, batch, setup.threat, Rng(setup.seed, batch.ids))


def _check_outputs(model: Model, held_out: Examples) -> None:
    """Refuse a user's network that returns probabilities or numbers that are not finite."""
    device = _device(model)
    probe = held_out.batch(torch.arange(min(PROBE, len(held_out)))).to(device)
    for finding in inspect(model, probe.x, probe.y):
        if finding.status is Verdict.FAIL and finding.id in {"logits", "finite-outputs"}:
            raise finding.refusal()


def _device(model: nn.Module) -> torch.device:
    parameter = next(model.parameters(), None)
    if parameter is None:
        raise InputError("the network has no parameters: there is nothing to train")
    return parameter.device


def _listed(data: Examples | Stream) -> Mapping[str, Any]:
    """Return name, length and fingerprint of a set; an iterable has a name only."""
    if isinstance(data, Stream):
        return {"name": data.name, "n": None, "fingerprint": None}
    return {"name": data.name, "n": len(data), "fingerprint": data.fingerprint}
