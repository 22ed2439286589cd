from __future__ import annotations

import pytest

from holdfast.claims import Accuracy
from holdfast.reporting.differences import (
    Difference,
    Pairs,
    holm,
    mcnemar,
    paired_difference,
    score_test,
    unpaired_difference,
)


def rounded(difference: Difference, digits: int) -> tuple[float, ...]:
    found = (difference.value, difference.low, difference.high)
    return tuple(round(value, digits) + 0.0 for value in found)


@pytest.mark.parametrize(
    ("table", "digits", "found"),
    [
        # Newcombe (1998), Statistics in Medicine 17:2635, table III, method 10.
        ((36, 12, 2, 0), 4, (0.2, 0.0569, 0.3404)),
        ((20, 12, 2, 16), 4, (0.2, 0.0562, 0.3292)),
        ((18, 12, 2, 18), 4, (0.2, 0.0562, 0.329)),
        ((36, 14, 0, 0), 4, (0.28, 0.1528, 0.4167)),
        ((53, 0, 0, 1), 4, (0.0, -0.0729, 0.0729)),
        ((0, 30, 0, 0), 4, (1.0, 0.8395, 1.0)),
        # Altman et al. (2000), Statistics with Confidence, table 6.2.
        ((14, 5, 0, 22), 2, (0.12, 0.01, 0.23)),
        # Fagerland, Lydersen and Laake (2017), Statistical Analysis of Contingency Tables, ch. 8.
        ((1, 1, 7, 12), 3, (-0.286, -0.507, -0.026)),
        ((59, 6, 16, 80), 4, (-0.0621, -0.1186, -0.0046)),
    ],
)
def test_the_paired_interval_is_the_published_one(table, digits, found) -> None:
    assert rounded(paired_difference(Pairs(*table)), digits) == found
    both, first, second, neither = table
    turned = paired_difference(Pairs(both, second, first, neither))
    value, low, high = found
    assert rounded(turned, digits) == (-value, -high, -low)


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        # Newcombe (1998), Statistics in Medicine 17:873, method 10.
        ((56, 70), (48, 80), (0.2, 0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.6, 0.1705, 0.8090)),
        ((5, 56), (0, 29), (0.0893, -0.0381, 0.1926)),
        ((0, 10), (0, 20), (0.0, -0.1611, 0.2775)),
        ((10, 10), (0, 20), (1.0, 0.6791, 1.0)),
    ],
)
def test_the_unpaired_interval_is_the_published_one(first, second, found) -> None:
    assert rounded(unpaired_difference(Accuracy(*first), Accuracy(*second)), 4) == found


def test_pairs_count_what_each_model_got_right() -> None:
    assert Pairs.of({1, 2, 3}, {3, 4}, 10) == Pairs(1, 2, 1, 6)
    same = paired_difference(Pairs(50, 0, 0, 50))
    assert same.value == 0
    assert -0.06 < same.low < 0 < same.high < 0.06  # equal answers leave little doubt
    assert str(Difference(-0.0001, -0.25, 0.1)) == "0.0 points [-25.0, 10.0]"
    assert str(Difference(0.123, 0.1, 0.2)) == "+12.3 points [10.0, 20.0]"


@pytest.mark.parametrize(
    ("one", "other", "p"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 1024), (1, 8, 20 / 512)]
)
def test_mcnemar_is_the_two_sided_binomial_test(one: int, other: int, p: float) -> None:
    assert mcnemar(one, other) == pytest.approx(p)
    assert mcnemar(other, one) == mcnemar(one, other)


def test_the_score_test_is_pearson_s() -> None:
    assert score_test(Accuracy(56, 70), Accuracy(48, 80)) == pytest.approx(
        0.008045, abs=1e-6
    )  # scipy
    assert score_test(Accuracy(5, 5), Accuracy(9, 9)) == 1.0


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
