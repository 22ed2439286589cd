"""A query budget is the attacker's total per example, whatever a suite makes of it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from evaluation_setup import TINY
from holdfast.attacks import (
    APGD,
    NES,
    PGD,
    EachTarget,
    GeoDA,
    HopSkipJump,
    Quantized,
    Restarts,
    Square,
)
from holdfast.attacks.core.shares import split
from holdfast.claims import write_claim
from holdfast.components import build, describe, digest
from holdfast.errors import InputError, VerificationError
from holdfast.evaluation import Member, Suite, verify
from holdfast.evaluation.run.budget import Request, shares
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import Knowledge, ThreatModel

MANY = Suite(
    name="many",
    members=(
        Member(name="restarts", attack=Restarts(attack=PGD(steps=20), restarts=3)),
        Member(name="targets", attack=EachTarget(attack=APGD(steps=20), top=3)),
        Member(name="square", attack=Square(queries=500)),
    ),
)
NEAREST = Suite(
    name="nearest",
    members=(
        Member(name="hopskipjump", attack=HopSkipJump(queries=500)),
        Member(name="geoda", attack=GeoDA(queries=500)),
    ),
)


@pytest.fixture
def asked(monkeypatch):
    """How often the attacker asked about each example: copies that fill up a batch count once.

    What the evaluator asks for itself (the forecast's timing, verdicts) is not the attacker's.
    """
    monkeypatch.setattr(
        "holdfast.evaluation.run.time_estimate._timed", lambda *arguments: (1.0, 0.0)
    )
    found: Counter[bytes] = Counter()
    ask = Objective._ask

    def counted(self, needed, model, x_adv):
        logits = ask(self, needed, model, x_adv)
        found.update({row.numpy().tobytes() for row in self.x})
        return logits

    monkeypatch.setattr(Objective, "_ask", counted)
    return found


@pytest.mark.parametrize(
    ("suite", "threat", "options"),
    [
        (MANY, ThreatModel(Linf(eps=1e-3), queries=60), {}),
        (MANY, ThreatModel(Linf(eps=0.1), queries=60), {"exhaustive": True}),
        (MANY, ThreatModel(Linf(eps=1e-3), queries=60), {"precision": "bfloat16"}),
        (NEAREST, ThreatModel(L2(eps=0.1), knowledge="decision", queries=90), {}),
        (NEAREST, ThreatModel(L2(eps=0.1), knowledge="decision", queries=90), {"eps": [0.05]}),
    ],
    ids=["plain", "exhaustive", "bfloat16", "labels", "labels-curve"],
)
def test_nobody_is_asked_about_more_often_than_the_budget_allows(
    asked, run, suite, threat, options
):
    claim = run(threat=threat, suite=suite, n=20, **options)
    most = max(asked.values())
    assert most <= threat.queries
    assert most > 0.6 * threat.queries  # and it is used
    assert claim.cost.queries <= 20 * threat.queries
    assert f"at most {threat.queries} queries" in claim.document["threat_sentence"]


@pytest.mark.parametrize(
    "eps", [[2e-2, 6e-2, 7e-2], [5.1e-2, 5.2e-2, 5.3e-2, 5.4e-2], [1e-2, 2e-2, 3e-2, 4e-2]]
)
def test_more_radii_do_not_make_the_claim_better(asked, run, net, data, tmp_path, eps):
    """Each radius has an attacker with the whole budget, or a curve would starve the search."""
    threat = ThreatModel(Linf(eps=5e-2), knowledge="score", queries=30)
    suite = Suite(name="two", members=(*MANY.members[2:], Member(name="b", attack=NES(queries=99))))
    alone = run(threat=threat, suite=suite, n=20, out=tmp_path / "alone")
    assert max(asked.values()) <= 30
    curved = run(threat=threat, suite=suite, n=20, eps=eps, out=tmp_path / "curved")
    assert curved.document["counts"] == alone.document["counts"]
    assert curved.cost.queries == alone.cost.queries
    assert max(asked.values()) <= 30 * (2 + len(eps))
    assert len(curved.curve) == 1 + len(eps)
    verify(curved.folder, model=net, data=data, replay=0)


def test_a_curve_of_searches_for_the_nearest_spends_one_budget(asked, run, net, data):
    threat = ThreatModel(L2(eps=0.1), knowledge="decision", queries=60)
    claim = run(threat=threat, suite=NEAREST, n=12, eps=[0.05, 0.2])
    assert max(asked.values()) <= 60
    verify(claim.folder, model=net, data=data, replay=0)


def test_a_network_that_raises_does_not_renew_the_budget(asked, run, net):
    class Raises(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.calls = net, 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 40 and self.calls % 5 == 0:
                raise RuntimeError("busy")
            return self.net(x)

    run(Raises(), threat=ThreatModel(Linf(eps=1e-3), queries=60), suite=MANY, n=20)
    assert max(asked.values()) <= 60


@pytest.mark.parametrize(
    "attack",
    [
        Restarts(attack=Square(queries=40), restarts=4),
        EachTarget(attack=Square(queries=40), top=4),
        Restarts(attack=EachTarget(attack=Square(queries=40), top=2), restarts=2),
    ],
)
def test_one_attack_of_many_runs_has_one_budget(asked, net, data, attack):
    batch = data.batch(torch.arange(8))
    threat = ThreatModel(Linf(eps=1e-3), knowledge=Knowledge.SCORE, queries=100)
    found = attack(
        Objective(threat, net, batch.x, batch.y), threat.space.around(batch.x), Rng(0, batch.ids)
    )
    assert max(asked.values()) <= 100
    assert int(found.cost.queries.max()) <= 100


def attack_with(attack, net, data, queries):
    batch = data.batch(torch.arange(8))
    threat = ThreatModel(Linf(eps=1e-3), knowledge=Knowledge.SCORE, queries=queries)
    objective = Objective(threat, net, batch.x, batch.y)
    return attack(objective, threat.space.around(batch.x), Rng(0, batch.ids))


@pytest.mark.parametrize(
    "runs",
    [
        Restarts(attack=Square(queries=300), restarts=4),
        EachTarget(attack=Square(queries=300), top=4),
    ],
)
def test_restarts_and_targets_of_one_attack_have_equal_shares(net, data, runs):
    """The first of them does not spend everything."""
    found = attack_with(runs, net, data, 40)
    parts = [attack_with(part, net, data, 10) for part in runs.parts()]
    assert found.cost.queries.tolist() == [40] * 8
    if isinstance(runs, Restarts):  # targets look at the unchanged input once for all
        assert torch.equal(found.harm, torch.stack([part.harm for part in parts]).amax(0))


@pytest.mark.parametrize(
    "inner", [Square(queries=300), Restarts(attack=Square(queries=9), restarts=9)]
)
def test_a_rounded_attack_keeps_queries_for_the_rounded_point(net, data, inner):
    found = attack_with(Quantized(attack=inner, roundings=2), net, data, 20)
    assert found.cost.queries.tolist() == [20] * 8
    assert not bool(found.failed.any())


def test_a_budget_that_does_not_go_round_is_refused_before_anything_is_written(run, tmp_path):
    with pytest.raises(InputError, match=r"a budget of 6 queries leaves .* none.*grant more"):
        run(threat=ThreatModel(Linf(eps=0.1), queries=6), suite=MANY)
    assert not (tmp_path / "claim").exists()


def test_a_claim_that_spent_more_than_its_budget_is_refused(run, net, data, tmp_path):
    claim = run(threat=ThreatModel(Linf(eps=1e-3), queries=60), suite=TINY, n=20)
    verify(claim.folder, model=net, data=data, replay=0)
    document = dict(claim.document)
    bars = [dict(bar) for bar in document["waterfall"]]
    square = next(bar for bar in bars if bar["name"] == "square")
    square["queries"] += 20 * 60
    square["forward"] += 20 * 60
    document["waterfall"] = bars
    document["cost"] = {k: sum(bar[k] for bar in bars) for k in document["cost"]}
    contents = {name: (claim.folder / name).read_bytes() for name in document["files"]}
    forged = write_claim(tmp_path / "forged", document, contents)
    with pytest.raises(VerificationError, match="waterfall"):
        verify(forged.folder, model=net, data=data, replay=0)


def test_shares_follow_weights_and_what_is_not_used_goes_to_others():
    assert split(10, [1, 1, 1], [99, 99, 99]) == [4, 3, 3]
    assert split(10, [1, 1], [3, 99]) == [3, 7]
    assert split(12, [2, 1], [99, 99]) == [8, 4]
    assert split(12, [1, 1], [3, 3]) == [3, 3]
    found = shares(
        100,
        [
            Request("cheap", "cheap", 1, most=10),
            Request("t-1", "t", 1, most=1000),
            Request("t-2", "t", 1, most=1000),
            Request("near", "near", 2, most=1000),
        ],
    )
    assert found == {"cheap": 10, "t-1": 15, "t-2": 15, "near": 60}


def test_a_weight_that_is_not_stated_leaves_digests_as_they_were():
    plain = Member(name="a", attack=PGD())
    heavy = Member(name="a", attack=PGD(), weight=3)
    assert "weight" not in describe(plain)
    assert build("member", describe(heavy)) == heavy
    assert digest(plain) != digest(heavy)
