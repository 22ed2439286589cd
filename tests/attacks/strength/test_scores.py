"""Attacks that see scores alone, against one that sees gradients, on a network for digits."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from holdfast.attacks import (
    APGD,
    NES,
    SPSA,
    ZOO,
    Bandits,
    GenAttack,
    Reinforce,
    SignHunter,
    SimBA,
    Square,
)
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L1, L2, Linf
from holdfast.threat import Targeted, ThreatModel
from small_nets import digits

N = 100


@cache
def broken(attack, space, targeted=False):
    """Return how many of 100 digits the attack breaks."""
    net, x, y = digits(N)
    threat = ThreatModel(space, goal=Targeted()) if targeted else ThreatModel(space)
    objective = Objective(threat, net, x, y, targets=(y + 1) % 10 if targeted else None)
    return int(attack(objective, space.around(x), Rng(0, torch.arange(N))).success.sum())


ATTACKS = [
    # fewer successes than APGD in Linf, in L2, and towards a class in Linf, of 100, at most
    pytest.param(NES(queries=1000), 3, 3, 4, id="nes"),
    pytest.param(SPSA(queries=1000), 3, 5, 2, id="spsa"),
    pytest.param(SimBA(queries=1000), 2, 4, 2, id="simba"),
    pytest.param(ZOO(queries=1000), 2, 10, 2, id="zoo"),
    pytest.param(SignHunter(queries=1000), 2, 22, 2, id="signhunter"),
    pytest.param(Bandits(queries=1000), 2, 3, 2, id="bandits"),
    pytest.param(GenAttack(queries=1000), 2, 4, 2, id="genattack"),
    pytest.param(Reinforce(queries=1000), 2, 4, 2, id="reinforce"),
]


@pytest.mark.parametrize(("attack", "linf", "l2", "targeted"), ATTACKS)
def test_a_thousand_scores_break_nearly_what_gradients_break(attack, linf, l2, targeted):
    counts = [
        (broken(a, Linf(eps=0.1)), broken(a, L2(eps=0.6)), broken(a, Linf(eps=0.15), targeted=True))
        for a in (APGD(), attack)
    ]
    print(f"{type(attack).__name__}: {counts[1]}, APGD {counts[0]} of {N}")
    for white, black, allowed in zip(*counts, (linf, l2, targeted), strict=True):
        assert black >= white - allowed


@pytest.mark.parametrize(
    ("attack", "least"),
    [
        (Square(queries=200), 0.9),
        (SimBA(queries=200), 0.95),
        (ZOO(queries=200), 0.95),
        (SignHunter(queries=200), 0.95),
        (Bandits(queries=200), 0.65),
        (GenAttack(queries=200), 0.55),
        (Reinforce(queries=200), 0.8),
    ],
    ids=["square", "simba", "zoo", "signhunter", "bandits", "genattack", "reinforce"],
)
def test_two_hundred_scores_go_a_long_way(attack, least):
    """At three queries a pixel: the share of APGD's successes in Linf."""
    assert broken(attack, Linf(eps=0.1)) >= least * broken(APGD(), Linf(eps=0.1))


def test_what_reinforce_learns_is_worth_a_third_of_the_queries():
    """Without learning it is a random search; it breaks no more with half as many queries again."""
    for space in (Linf(eps=0.1), L2(eps=0.6)):
        learning = broken(Reinforce(queries=200), space)
        assert learning >= broken(Reinforce(queries=300, rate=0.0), space)
        assert learning > broken(Reinforce(queries=200, rate=0.0), space)


def test_square_breaks_in_l1_what_gradients_break():
    """Of 100 digits Square breaks 73 and APGD 70; with windows of three by three it was 49."""
    assert broken(Square(queries=1000), L1(eps=2.0)) >= broken(APGD(), L1(eps=2.0))


# ART 1.20.1 on the first 30 digits, one at a time, with softmax and counted queries:
# SimBA(c, attack="px", epsilon=0.05, max_iter=1000, order="random", stride=1, freq_dim=4) spends
# 375 queries an example (0.1: 189; 0.2: 99) and stays within 0.6 for 6 of them (4; 2), within 1.0
# for 16 (13; 6). ZooAttack(c, max_iter=20, binary_search_steps=2, learning_rate=0.1,
# nb_parallel=16, use_resize=False, use_importance=False, variable_h=0.001) spends 200, breaks 1.
@pytest.mark.parametrize(
    ("attack", "near", "far"),
    [(SimBA(queries=200), 6, 16), (ZOO(queries=200), 2, 8)],
    ids=["simba", "zoo"],
)
def test_no_more_queries_than_a_peer_and_no_fewer_successes(attack, near, far):
    """Ours with 200 queries: SimBA 9 and 20, ZOO 4 and 15."""
    net, x, y = digits(30)
    for radius, least in ((0.6, near), (1.0, far)):
        space = L2(eps=radius)
        objective = Objective(ThreatModel(space), net, x, y)
        found = attack(objective, space.around(x), Rng(0, torch.arange(30)))
        assert int(found.success.sum()) >= least
