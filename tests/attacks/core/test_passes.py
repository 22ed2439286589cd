"""The cost of an attack, stated once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from holdfast.attacks import BIM, CW, EOT, PGD, Attack, DeepFool, EachTarget, Restarts, Square
from holdfast.attacks.core.passes import Passes


@pytest.mark.parametrize(
    ("attack", "cost", "passes"),
    [
        (PGD(steps=7), "steps + 1 forward, steps backward", (8, 7)),
        (Square(queries=9), "queries forward, 0 backward", (9, 0)),
        (
            CW(steps=5, binary_search_steps=2, candidates=3),
            (
                "at most binary_search_steps x steps + 8 forward, "
                "binary_search_steps x steps + 1 + 3 x candidates backward"
            ),
            (18, 20),
        ),
        (
            Restarts(attack=Square(queries=9), restarts=2),
            "restarts x queries forward, 0 backward",
            (18, 0),
        ),
        (
            EachTarget(attack=BIM(steps=2), top=3),
            "1 + at most top x (steps + 1) forward, at most top x steps backward",
            (10, 6),
        ),
        (
            EOT(attack=Restarts(attack=DeepFool(steps=2, candidates=4), restarts=3), samples=5),
            (
                "samples x (restarts x (at most steps + 1)) forward, "
                "samples x restarts x steps x candidates backward"
            ),
            (45, 120),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Attack) else "",
)
def test_a_cost_prints_and_counts_itself(attack, cost, passes):
    assert attack.cost() == cost
    assert attack.passes() == passes


def test_a_name_that_is_no_field_is_refused_with_the_class():
    with pytest.raises(TypeError, match=r"Slow.spends: 'step' is no field of it.* steps"):

        @dataclass(frozen=True, kw_only=True)
        class Slow(Attack):
            spends = Passes("step + 1", "steps")
            steps: int = 3


def test_an_attack_may_count_instead_of_stating_a_formula():
    class Counted(Attack):
        def passes(self):
            return 3, 2

    assert Counted().cost() == "3 forward, 2 backward"
