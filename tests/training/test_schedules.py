"""Learning rates at the points where each schedule is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from holdfast.components import build, describe, known
from holdfast.errors import ConfigError
from holdfast.training import Constant, Cosine, Cyclic, OneCycle, Piecewise


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        (Constant(), {0.0: 1.0, 0.5: 1.0, 1.0: 1.0}),
        (Cyclic(), {0.0: 0.0, 0.25: 0.5, 0.5: 1.0, 0.75: 0.5, 1.0: 0.0}),
        (Cyclic(peak=0.4), {0.2: 0.5, 0.4: 1.0, 0.7: 0.5, 1.0: 0.0}),
        (Cosine(), {0.0: 1.0, 0.5: 0.5, 1.0: 0.0, 0.25: (1 + math.cos(math.pi / 4)) / 2}),
        (Cosine(warmup=0.2, end=0.1), {0.0: 0.0, 0.1: 0.5, 0.2: 1.0, 0.6: 0.55, 1.0: 0.1}),
        (Piecewise(), {0.0: 1.0, 0.49: 1.0, 0.5: 0.1, 0.74: 0.1, 0.75: 0.01, 1.0: 0.01}),
        (OneCycle(), {0.0: 0.04, 0.15: 0.52, 0.3: 1.0, 0.65: 0.500002, 1.0: 4e-6}),
    ],
)
def test_values(schedule, points):
    for progress, fraction in points.items():
        assert schedule.at(progress) == pytest.approx(fraction, abs=1e-9)


def test_onecycle_is_torchs():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=101, pct_start=0.3)
    rates = []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < 101:
            theirs.step()
    # torch puts the peak at step 0.3 * 101 - 1 of 0..100
    ours = OneCycle(peak=(0.3 * 101 - 1) / 100)
    assert [ours.at(step / 100) for step in range(101)] == pytest.approx(rates, abs=1e-6)


def test_all_schedules_stay_within_their_peak_and_survive_storage():
    for name, cls in known("schedule").items():
        schedule = cls()
        assert build("schedule", describe(schedule)) == schedule
        assert describe(schedule)["type"] == name
        assert all(0 <= schedule.at(i / 100) <= 1 for i in range(101))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cyclic(peak=0.0),
        lambda: OneCycle(peak=1.0),
        lambda: Cosine(warmup=1.0),
        lambda: Piecewise(drops=(0.7, 0.3)),
        lambda: Piecewise(drops=(0.5, 1.0)),
    ],
)
def test_impossible_schedules_are_refused(make):
    with pytest.raises(ConfigError):
        make()
