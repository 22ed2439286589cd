"""How long an evaluation will take, measured before it starts."""

from __future__ import annotations

import time

import torch

from holdfast.attacks import FGSM, worst
from holdfast.evaluation.setting import Setting
from holdfast.evaluation.suites import Member
from holdfast.threat import Knowledge


def forecast(setting: Setting) -> float:
    """Return the seconds that the suite needs if every example stays unbroken: an upper estimate.

    Times one scored gradient step and one forward pass on a batch and multiplies.
    """
    batch = next(setting.batches(setting.positions[: setting.batch_size]))
    objective = setting.objective(batch)
    region = setting.threat.space.around(batch.x)
    ask = setting.rng(batch.ids)
    with torch.no_grad():
        began = time.perf_counter()
        setting.search(batch.x)
        forward = time.perf_counter() - began
    gradient = 0.0
    if setting.threat.knowledge is Knowledge.GRADIENT:
        began = time.perf_counter()
        worst(FGSM(), objective, region, ask)
        gradient = max(time.perf_counter() - began - forward, 0.0)
    batches = -(-len(setting.positions) // setting.batch_size)
    return batches * sum(_passes(member, gradient, forward) for member in setting.members)


def _passes(member: Member, gradient: float, forward: float) -> float:
    steps = getattr(member.attack, "steps", None)
    if steps is None:
        inner = getattr(member.attack, "attack", None)
        steps = getattr(inner, "steps", 0)
    return steps * gradient + getattr(member.attack, "queries", 0) * forward
