"""Attacks on one batch: the worst inputs that were found, or the inputs to train on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from holdfast.api.arguments import (
    as_tensor,
    per_example,
    surrogate_model,
)
from holdfast.arguments import checked
from holdfast.attacks import PGD, Attack, Result
from holdfast.attacks.core.travel import warn_of_short_steps
from holdfast.components import build
from holdfast.data import Batch
from holdfast.errors import InputError
from holdfast.inputs import as_columns, check_input, check_labels
from holdfast.models import Model, check_logits, wrap
from holdfast.models.diagnostics.first_answer import checked_at_first
from holdfast.objective import Objective
from holdfast.rng import Rng, fresh_seed
from holdfast.runtime import deterministic, device_of, dtype_of
from holdfast.threat import Targeted, ThreatModel
from holdfast.threat.goals.targeted import check_target
from holdfast.threat.space import check_ranges
from holdfast.training.methods import Madry
from holdfast.training.methods.base import search as search_end
from holdfast.units import Seed

_LOOKS: WeakKeyDictionary[nn.Module, tuple[object, int]] = WeakKeyDictionary()
LOOKED_AT = 32  # examples on which a model is checked where its first answer could come late


@checked
def attack(
    model: Any,
    x: Any,
    y: Any,
    *,
    threat: ThreatModel,
    attack: Attack | str | None = None,
    targets: Any = None,
    seed: Seed | None = None,
    ids: Any = None,
    surrogate: Any = None,
) -> Result:
    """Attack a batch and return the worst input found for each example.

    model: a network, or anything else that `wrap` takes. x: (B, ...) floats in the model's range;
    y: (B,) labels; tensors or arrays. attack: PGD() by default; a name ("apgd") means its defaults.
    targets: (B,) the classes to reach, none of them the label, which makes the goal targeted. seed:
    of all draws; by default a fresh one from the operating system, so that no two calls draw the
    same. Global generators stay as they are. ids: (B,) keys of the random draws, by default the
    positions. surrogate: another network that the attack differentiates and scores (a twin with
    usable gradients, a surrogate); the verdicts stay those of `model`. The work is done on the
    model's device.

    Returns `.x_adv`, `.loss`, `.success`, `.status` and `.cost`, per example, and the `.seed` with
    which the call repeats itself. Raises InputError for a model or batch that cannot be attacked
    and Unsupported where attack and threat model do not fit.
    """
    chosen = PGD() if attack is None else build("attack", attack)
    model, batch = _batch(model, x, y, ids, threat)
    labels = [batch.y]
    if targets is not None:
        targets = _other_classes(targets, batch.y, model)
        labels.append(targets)
        threat = threat if isinstance(threat.goal, Targeted) else replace(threat, goal=Targeted())
    twin = None if surrogate is None else surrogate_model(surrogate, model)
    with deterministic(), _checked_model(model, twin, batch.x, *labels):
        objective = Objective(threat, twin or model, batch.x, batch.y, targets=targets, judge=model)
        return chosen(objective, threat.space.around(batch.x), _rng(seed, batch))


@checked
def perturb(
    model: Any,
    x: Any,
    y: Any,
    *,
    threat: ThreatModel,
    attack: Attack | str | None = None,
    seed: Seed | None = None,
    ids: Any = None,
) -> Tensor:
    """Return the inputs (B, ...) to train on: where an attack ends, and no pass more than that.

    For a training loop of one's own, in place of `x`: `loss(model(hf.perturb(model, x, y,
    threat=threat)), y)`. The methods of `hf.train` do the same. model, x, y, seed, ids: as for
    `attack`. attack: PGD(steps=10, step_size=0.25) by default; it climbs the cross-entropy unless
    it brings a loss of its own. threat: its set and its goal; a learner sees all of the model.

    The end of the walk is in the set, but it is not scored, and every example is moved, whether it
    is wrong already or not: train on it, and judge by `attack` or `evaluate`. The model is in eval
    mode meanwhile and its weights get no gradients; both are as before afterwards.
    Raises InputError and Unsupported as `attack` does.
    """
    chosen = Madry().attack if attack is None else build("attack", attack)
    model, batch = _batch(model, x, y, ids, threat)
    warn_of_short_steps(chosen, threat.space)
    with checked_at_first(model, batch.x, batch.y):
        return search_end(chosen, model, batch, threat, _rng(seed, batch))


def _batch(model: Any, x: Any, y: Any, ids: Any, threat: ThreatModel) -> tuple[Model, Batch]:
    """Return the model and the batch on its device, checked against the threat model."""
    model = wrap(model)
    check_ranges(model.range, threat.space)
    check_target(threat.goal, model.labels)
    device = device_of(model)
    x, y = as_tensor(x, "x", device), as_tensor(y, "y", device)
    check_input(x, y, model.range)
    x, y = x.detach().to(dtype_of(model)).clone(), as_columns(y, model.labels)
    ids = torch.arange(len(y), device=device) if ids is None else per_example(ids, "ids", y)
    return model, Batch(x, y, ids)


def _other_classes(targets: Any, y: Tensor, model: Model) -> Tensor:
    """Return the targets (B,) as columns; InputError for one that is the label."""
    wanted = as_columns(per_example(targets, "targets", y), model.labels)
    if same := int((wanted == y).sum()):
        raise InputError(
            f"a target must differ from the label: {same} of {len(y)} do not; leave those examples "
            "out, or aim them at another class"
        )
    return wanted


@contextmanager
def _checked_model(model: Model, twin: Model | None, x: Tensor, *labels: Tensor) -> Iterator[None]:
    """Check the model's outputs at its first answer, or at once where that could come late.

    So it could if another model is searched, or where the attack asks a black box for less than it
    gives.
    """
    if twin is None and model.box is None:
        with checked_at_first(model, x, *labels):
            yield
        return
    num_classes = _num_classes(model, x[:LOOKED_AT], labels[0][:LOOKED_AT])
    for each in labels:
        check_labels(each, num_classes)
    yield


def _num_classes(model: Model, x: Tensor, y: Tensor) -> int:
    """Return K after a look at the model, one for each state of a network and kind of input.

    A state is the modules and a version of every parameter and buffer, which any step of an
    optimizer and any `load_state_dict` raises. A black box is looked at every time: its state is
    out of sight.
    """
    tensors = (*model.module.parameters(), *model.module.buffers())
    state = [(t.data_ptr(), t._version) for t in tensors]  # noqa: SLF001 - it has no public name
    scale = (model.range, repr(model.mean), repr(model.std))
    kind = (x.shape[1:], x.dtype, x.device, scale, list(map(id, model.module.modules())), state)
    seen = _LOOKS.get(model.module) if model.box is None else None
    if seen is None or seen[0] != kind:
        seen = _LOOKS[model.module] = kind, check_logits(model, x, y)
    return seen[1]


def _rng(seed: int | None, batch: Batch) -> Rng:
    """Return the draws of one call, from the operating system unless there is a seed."""
    return Rng(fresh_seed() if seed is None else seed, batch.ids)
