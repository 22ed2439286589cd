"""What is noticed: catastrophic overfitting, the constant predictor, and nothing else."""

from __future__ import annotations

import math

import pytest
import torch

from holdfast.training import failure_detection as watch
from holdfast.training.step import LATE_LOSS, LATE_SEEN, PREDICTED


@pytest.mark.parametrize(
    ("best", "robust", "n", "noticed"),
    [
        (0.50, 0.29, 1000, True),  # more than 20 points
        (0.50, 0.31, 1000, False),
        (0.50, 0.29, 16, False),  # three of sixteen examples are chance
        (0.50, 0.00, 16, True),
        (0.30, 0.14, 1000, True),  # below half
        (0.30, 0.16, 1000, False),
        (0.12, 0.04, 1000, False),  # below half, but a small fall
        (None, 0.0, 1000, False),
    ],
)
def test_collapse(best, robust, n, noticed):
    assert watch.collapsed(robust, best, n) is noticed


def totals(loss, predicted):
    values = torch.zeros(PREDICTED + len(predicted), dtype=torch.float64)
    values[LATE_SEEN] = 100
    values[LATE_LOSS] = 100 * loss
    values[PREDICTED:] = torch.tensor(predicted)
    return values


def test_constant_predictor():
    entropy = watch.label_entropy(torch.tensor([10, 10, 10]), 0.0)
    assert entropy == pytest.approx(math.log(3))
    assert watch.constant(totals(entropy, [0, 100, 0]), entropy)
    assert watch.constant(totals(entropy * 0.995, [100, 0, 0]), entropy)
    assert not watch.constant(totals(entropy * 0.95, [100, 0, 0]), entropy)
    assert not watch.constant(totals(entropy, [99, 1, 0]), entropy)
    assert not watch.constant(torch.zeros(PREDICTED + 3, dtype=torch.float64), entropy)


def test_entropy_of_unbalanced_and_smoothed_labels():
    assert watch.label_entropy(torch.tensor([5, 0]), 0.0) == 0
    share = torch.tensor([0.9, 0.1]).double() * 0.8 + 0.1
    expected = float(-(share * share.log()).sum())
    assert watch.label_entropy(torch.tensor([90, 10]), 0.2) == pytest.approx(expected)


def test_the_advice_after_a_constant_predictor_speaks_of_sgd_alone():
    said = watch.explain("constant-predictor", {"epoch": 3}, None)
    assert "learning rate of SGD alone does not" in said
    assert "AdamW" in said  # with which small transformers learn where SGD does not


def test_one_slow_epoch_does_not_stop_a_run():
    constant, fine = {"event": "constant-predictor"}, {"event": None}
    assert not watch.stops([constant], 5)
    assert not watch.stops([fine, constant], 5)
    assert watch.stops([constant, constant], 5)
    assert not watch.stops([constant, fine], 5)
    assert watch.stops([fine, {"event": "diverged"}], 5)
    assert watch.stops([fine, constant], 2)
    assert not watch.stops([fine, fine], 2)


def test_a_fall_that_recovers_does_not_stop_a_run():
    fall, fine = {"event": "catastrophic-overfitting"}, {"event": None}
    assert not watch.stops([fine, fall, fall], 10)
    assert not watch.stops([fall, fall, fine], 10)
    assert watch.stops([fine, fall, fall, fall], 10)


@pytest.mark.parametrize(("clean", "named"), [(0.80, "catastrophic overfitting"), (0.11, "clean")])
def test_a_fall_of_clean_accuracy_too_is_not_called_overfitting(clean, named):
    best = {"epoch": 2, "event": None, "clean": 0.463, "robust": 0.357}
    record = {"epoch": 3, "event": watch.Event.OVERFITTING, "clean": clean, "robust": 0.017}
    said = watch.explain(watch.Event.OVERFITTING, record, best)
    assert named in said
    assert ("overfitting" in said) is (clean > 0.5)
    assert "35.7%" in said
    assert "the weights of epoch 2" in said
