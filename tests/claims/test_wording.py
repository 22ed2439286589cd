from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from claim_fixture import make_claim
from holdfast.claims import wording
from holdfast.errors import InputError

FAILED = {"id": "black-box-stronger", "status": "fail", "message": "m", "remedy": "r"}
ZERO = {
    "id": "zero-gradient",
    "status": "warn",
    "message": "3 of 512 points have zero gradients",
    "remedy": "use a loss that ignores the scale",
}


def say(tmp_path: Path, **options: Any) -> str:
    return str(make_claim(tmp_path, gallery=0, **{"checks": [], "trained": False, **options}))


def test_the_plain_sentence_is_the_prescribed_one(tmp_path: Path) -> None:
    found = say(tmp_path, n=10_000, clean=0.849, robust=0.531, eps="8/255")
    assert found == (
        "On n=10,000 test points, clean accuracy 84.9 % [84.2, 85.6]. Against standard-1 (1,203 "
        "forward passes, 402 backward passes and 610 queries a point on average) within Linf "
        "eps=8/255, 53.1 % [52.1, 54.1] of points were not broken. This is an UPPER bound on "
        "robust accuracy in this threat model; stronger attacks may lower it."
    )


def test_queries_that_are_the_forward_passes_are_not_said_twice(tmp_path: Path) -> None:
    cost = {"forward": 5_000, "backward": 1_000, "queries": 5_000, "seconds": 1.0}
    assert "(5.0 forward passes and 1.0 backward passes a point on average)" in say(
        tmp_path, n=1000, cost=cost
    )


def test_a_subset_is_called_one(tmp_path: Path) -> None:
    found = say(tmp_path, n=1000, available=10_000)
    assert found.startswith("On a random subset of n=1,000 of 10,000 test points, clean accuracy")


@pytest.mark.parametrize(("n", "few"), [(499, True), (500, False)])
def test_a_small_sample_carries_a_watermark(tmp_path: Path, n: int, few: bool) -> None:
    assert ("SMALL SAMPLE" in say(tmp_path, n=n)) is few


def test_a_withheld_number_is_not_printed_as_a_finding(tmp_path: Path) -> None:
    found = say(tmp_path, n=1000, robust=0.5, failed=20)
    assert "WITHHELD" in found
    assert "20 of 1,000" in found
    assert "at most 52.0 %" in found  # were every failed point to hold
    assert "50.0 %" not in found


def test_a_failed_check_makes_it_unreliable(tmp_path: Path) -> None:
    found = say(tmp_path, n=1000, robust=0.5, checks=[FAILED])
    assert "UNRELIABLE: check black-box-stronger failed. Against standard-1" in found
    assert "at most 50.0 %" in found
    two = say(tmp_path / "two", checks=[FAILED, {**FAILED, "id": "b"}])
    assert "checks black-box-stronger and b failed" in two


def test_both_withheld_and_unreliable_are_said(tmp_path: Path) -> None:
    found = say(tmp_path, n=1000, failed=20, checks=[FAILED])
    assert "WITHHELD" in found
    assert "UNRELIABLE" in found


def test_zero_gradients_are_said_in_the_sentence(tmp_path: Path) -> None:
    found = say(tmp_path, n=1000, checks=[ZERO])
    assert found.endswith(
        "ZERO GRADIENT: 3 of 512 points have zero gradients. Use a loss that ignores the scale."
    )
    passed = say(tmp_path / "b", n=1000, checks=[{**ZERO, "status": "pass"}])
    assert "ZERO GRADIENT" not in passed


def test_what_is_out_of_the_ordinary_in_the_threat_is_said() -> None:
    assert wording.within("L2 eps=0.5, inputs in 0..1, untargeted, white box (gradient)") == (
        "L2 eps=0.5"
    )
    found = wording.within("L2 eps=0.5, inputs in 0..1, targeted, black box (score)")
    assert found == "L2 eps=0.5 (targeted, black box (score))"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n": 1000, "available": 2000},
        {"n": 1000, "failed": 5},
        {"n": 600, "checks": [FAILED, ZERO]},
        {"robust": 0.0, "clean": 1.0},
    ],
)
def test_no_sentence_uses_a_banned_word_or_lacks_its_context(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    found = say(tmp_path, **options)
    for word in wording.BANNED:
        assert not re.search(rf"\b{word}\b", found)
    for part in ("n=", "clean accuracy", "eps=", "standard-1", "["):
        assert part in found


@pytest.mark.parametrize("status", ["warn", "fail"])
@pytest.mark.parametrize("name", ["eval-mode", "chance", "training-data"])
def test_no_check_that_did_not_pass_is_kept_from_the_reader(
    tmp_path: Path, name: str, status: str
) -> None:
    check = {"id": name, "status": status, "message": "something is odd", "remedy": "mend it"}
    title = name.replace("-", " ").upper()
    assert f"{title}: Something is odd. Mend it." in say(tmp_path, n=1000, checks=[check])


def test_a_small_sample_says_how_uncertain_it_is(tmp_path: Path) -> None:
    wide = say(tmp_path / "a", n=40, robust=0.5)
    narrow = say(tmp_path / "b", n=400, robust=0.5)
    assert "on 40 points each figure is uncertain by about 15 points either way" in wide
    assert "on 400 points each figure is uncertain by about 5 points either way" in narrow
    assert "do not rank" not in wide + narrow


def test_what_accuracy_is_at_most_is_a_number_also_where_it_is_withheld(tmp_path: Path) -> None:
    known = make_claim(tmp_path / "a", n=1000, robust=0.5)
    assert float(known.at_most) == float(known.robust_accuracy) == 0.5
    withheld = make_claim(tmp_path / "b", n=1000, robust=0.5, failed=20)
    assert float(withheld.at_most) == 0.52
    assert withheld.at_most.low < 0.52 < withheld.at_most.high
    with pytest.raises(InputError, match=r"claim\.at_most"):
        float(withheld.robust_accuracy)
