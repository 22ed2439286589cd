from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.claims import Accuracy, Withheld, headline, wilson
from holdfast.errors import InputError


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # By hand from (2k + z^2 -+ z sqrt(z^2 + 4k(1 - k/n))) / (2 (n + z^2)), z^2 = 3.8414588.
        (5, 10, 0.236593, 0.763407),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (1, 10, 0.017876, 0.404150),
        # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 1 of 29.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_the_formula_by_hand(k: int, n: int, low: float, high: float) -> None:
    found = wilson(k, n)
    tolerance = 5.1e-7 if n == 10 else 5.1e-5
    assert found.low == pytest.approx(low, abs=tolerance)
    assert found.high == pytest.approx(high, abs=tolerance)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_fraction_and_is_symmetric(kn: tuple[int, int]) -> None:
    k, n = kn
    found, mirrored = wilson(k, n), wilson(n - k, n)
    assert 0 <= found.low <= k / n <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_accuracy_is_a_number_with_an_interval() -> None:
    accuracy = Accuracy(8490, 10_000)
    assert float(accuracy) == 0.849
    assert str(accuracy) == "84.9 % [84.2, 85.6]"
    assert Accuracy.of(accuracy.plain()) == accuracy
    assert accuracy.plain()["low"] == accuracy.low < 0.849 < accuracy.high


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(InputError, match=f"k={k}, n={n}"):
        Accuracy(k, n)


def test_a_withheld_number_is_never_a_number() -> None:
    with pytest.raises(InputError, match="withheld: too many failures"):
        float(Withheld("too many failures"))


@pytest.mark.parametrize(("failed", "withheld"), [(0, False), (1, False), (2, True)])
def test_above_a_thousandth_of_failures_the_number_is_withheld(failed: int, withheld: bool) -> None:
    counts = {"clean-wrong": 100, "broken": 400 - failed, "failed": failed, "unbroken": 500}
    found = headline(counts)
    assert found["clean_accuracy"]["k"] == 900
    assert ("withheld" in found["robust_accuracy"]) is withheld
    if not withheld:
        assert found["robust_accuracy"]["k"] == 500


def test_marginal_points_are_not_robust_and_unproven_certificates_neither() -> None:
    found = headline({"marginal": 1, "certified": 2, "unbroken": 3})
    assert found["robust_accuracy"]["k"] == 3
    assert found["robust_accuracy"]["n"] == 6
