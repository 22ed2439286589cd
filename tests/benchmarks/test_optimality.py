"""The parts of the optimality benchmark: the counting network, the score, the search."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "attacks"


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in ("counting", "contestants", "xi"):
        sys.modules.pop(name, None)


def line():
    """Two images of four numbers; class 1 where their sum exceeds 2."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[0.0] * 4, [1.0] * 4]))
        net[1].bias.copy_(torch.tensor([2.0, 0.0]))
    x = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.4, 0.4, 0.4, 0.4]]).reshape(2, 1, 2, 2)
    return net, x, torch.tensor([0, 0])


def counted(norm=2.0, budget=6):
    counting = importlib.import_module("counting")
    net, x, y = line()
    return counting.Counted(net, x, y, norm, budget), x


def test_passes_are_counted_per_image():
    model, x = counted()
    z = x.clone().requires_grad_(True)
    model(z).sum().backward()
    model(x[1:] + 0.01)
    assert model.forwards.tolist() == [1, 2]
    assert model.backwards.tolist() == [1, 1]
    model(torch.cat([x[:1] + 0.01] * 3))  # three copies of the first image
    assert model.forwards.tolist() == [4, 2]


def test_beyond_the_budget_answers_are_constant_and_flat():
    model, x = counted(budget=3)
    clean = model.net(x)
    for _ in range(3):
        model(x[:1] + 0.01)
    z = torch.ones_like(x).requires_grad_(True)
    logits = model(z)
    torch.testing.assert_close(logits[0], clean[0])
    assert logits[1].argmax() == 1  # the other image has budget left
    logits[:, 1].sum().backward()
    assert z.grad[0].abs().max() == 0
    assert z.grad[1].abs().min() > 0
    assert model.spent.tolist() == [3, 2]
    assert model.nearest[0] == math.inf  # its counterexample came too late
    assert model.nearest[1] == pytest.approx(1.2)


def test_the_last_pass_of_a_budget_may_be_the_forward_one():
    model, x = counted(budget=1)
    z = x.clone().requires_grad_(True)
    model(z).sum().backward()
    assert z.grad.abs().max() == 0
    assert model.spent.tolist() == [1, 1]


def test_copies_in_one_batch_end_at_the_budget():
    model, _ = counted(budget=4)
    logits = model(torch.ones(6, 1, 2, 2) * 0.99)  # all nearest to the second image
    assert model.forwards.tolist() == [0, 4]
    assert logits.argmax(1).tolist() == [1, 1, 1, 1, 0, 0]


def test_it_stops_an_attack_that_never_ends():
    counting = importlib.import_module("counting")
    model, x = counted(budget=2)
    with pytest.raises(counting.OverBudget):
        for _ in range(10 * counting.PATIENCE):
            model(x)
    assert model.spent.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("norm", "expected"), [(0.0, 2), (1.0, 1.4), (2.0, 0.98**0.5), (math.inf, 0.7)]
)
def test_the_nearest_counterexample_of_all_queries_is_kept(norm, expected):
    model, x = counted(norm)
    far, near = torch.ones_like(x), x.clone()
    near[:, :, 0] += 0.7  # two numbers of each image
    model(near)
    model(far)
    model(x)
    assert model.nearest[0] == pytest.approx(expected)
    assert model.nearest[1] == pytest.approx(expected - (0.2 if norm == 1.0 else 0), abs=0.2)


def test_inputs_are_clamped_and_returned_points_must_be_valid():
    model, x = counted(math.inf)
    model(x + 5)  # is all ones to the network
    assert model.nearest.tolist() == pytest.approx([0.8, 0.6])
    assert model.verdict(x + 5).isinf().all()
    assert model.verdict(torch.ones_like(x)).tolist() == pytest.approx([0.8, 0.6])
    assert model.verdict(x).isinf().all()
    assert model.forwards.tolist() == [1, 1]  # the referee's look is free


def test_xi_by_hand():
    score = importlib.import_module("xi")
    nearest = np.array([0.0, 1.0, 2.0, 4.0])
    mine = np.array([0.0, 2.0, 2.0, np.inf])
    # Exact: A* = (0+1+2+4)/4 = 1.75, A = (0+2+2+4)/4 = 2, rho0 * eps0 = 3/4 * 4 = 3.
    assert score.xi(mine, nearest) == pytest.approx(1 - (2 - 1.75) / (3 - 1.75))
    # Lines: A* through (0, 3/4), (1, 1/2), (2, 1/4), (4, 0); A through (0, 3/4), (2, 1/4), (4, 0).
    best, area = 0.625 + 0.375 + 0.25, 1.0 + 0.25
    assert score.trapezoid(nearest, 4.0) == pytest.approx(best)
    assert score.xi(mine, nearest, score.trapezoid) == pytest.approx(1 - (area - best) / (3 - best))


def test_xi_of_the_best_and_of_nothing():
    score = importlib.import_module("xi")
    nearest = np.array([0.0, 1.0, 3.0, np.inf])
    assert score.xi(nearest, nearest) == 1
    assert score.xi(np.array([0.0, np.inf, np.inf, np.inf]), nearest) == 0
    assert math.isnan(score.xi(nearest, np.full(4, np.inf)))


@pytest.mark.parametrize("norm", [0.0, 1.0, 2.0, math.inf])
@pytest.mark.parametrize("alone", [False, True])
def test_the_search_over_radii_closes_in(norm, alone):
    """An attack that walks straight towards all ones finds the nearest point of its direction."""
    contestants = importlib.import_module("contestants")
    model, _ = counted(norm, budget=200)

    def attack(task, radius, budget):
        assert budget == 20
        assert len(radius) == len(task.x)
        order = torch.arange(4).reshape(1, 1, 2, 2)
        shape = (-1, 1, 1, 1)
        if norm == 0:
            z = torch.where(order < radius.reshape(shape), 1.0, task.x)
        else:
            share = {1.0: 4.0, 2.0: 2.0, math.inf: 1.0}[norm]
            z = (task.x + radius.reshape(shape) / share).clamp(max=1)
        task.model(z)
        return z

    task = contestants.Task(model, norm, 200)
    found = contestants.searched(attack, alone=alone)(task)
    boundary = {0.0: [2, 1], 1.0: [1.2, 0.4], 2.0: [0.6, 0.2], math.inf: [0.3, 0.1]}[norm]
    assert model.nearest.tolist() == pytest.approx(boundary, rel=0.03)
    torch.testing.assert_close(model.verdict(found), model.nearest)
    assert int(model.forwards.max()) <= 10


def test_an_attack_gets_as_many_steps_as_its_passes_allow():
    contestants = importlib.import_module("contestants")
    from holdfast.attacks import APGD, CW, FMN, Square

    assert contestants.fitted(FMN, 200).steps == 99  # 2 x 99 + 1
    assert contestants.fitted(APGD, 20).steps == 9
    assert sum(contestants.fitted(CW, 200, binary_search_steps=6).passes()) <= 200
    assert contestants.fitted(Square, 200).queries == 200
