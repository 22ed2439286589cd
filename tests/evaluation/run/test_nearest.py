"""A search for the nearest counterexample in a suite: right at every radius, run once for all."""

from __future__ import annotations

import pytest
import torch

from evaluation_setup import examples, network
from holdfast.attacks import FMN, PGD
from holdfast.claims import Claim
from holdfast.evaluation import Member, Suite, evaluate, verify
from holdfast.models import wrap
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2
from holdfast.threat import ThreatModel

EPS = [0.05, 0.1, 0.2, 0.4]
THREAT = ThreatModel(L2(eps=0.1))
FAR = FMN(steps=30)
ALONE = Suite(name="alone", members=(Member(name="fmn", attack=FAR),))
AFTER = Suite(
    name="after",
    members=(Member(name="pgd", attack=PGD(steps=3, step_size=0.5)), *ALONE.members),
)


def claim(out, suite, **changes):
    options = {"threat": THREAT, "eps": EPS, "quiet": True, "batch_size": 32, **changes}
    evaluate(wrap(network()), examples(), out=out, suite=suite, **options)
    return Claim.load(out)


def whole():
    data = examples()
    batch = data.batch(torch.arange(len(data)))
    return batch.ids, batch.x, batch.y


@pytest.fixture(scope="module")
def sizes():
    """Return the labels' correctness and how far FMN says each nearest counterexample is."""
    net, (ids, x, y) = wrap(network()), whole()
    with torch.no_grad():
        correct = net(x).argmax(1) == y
    found = FAR(Objective(THREAT, net, x, y), THREAT.space.around(x), Rng(0, ids))
    return correct, found


def test_a_result_says_what_every_radius_would(sizes):
    correct, found = sizes
    assert bool(found.reached.all())
    assert 0 < int((found.success & correct).sum()) < int(correct.sum())
    ids, x, y = whole()
    for eps in EPS:
        objective = Objective(THREAT.with_eps(eps), wrap(network()), x, y)
        other = FAR(objective, L2(eps=eps).around(x), Rng(0, ids))
        assert torch.equal(other.x_adv, found.x_adv)
        assert torch.equal(other.success, found.size <= eps)


@pytest.mark.parametrize("exhaustive", [False, True])
def test_one_run_fills_the_curve(tmp_path, sizes, exhaustive):
    correct, found = sizes
    curved = claim(tmp_path / "alone", ALONE, exhaustive=exhaustive)
    for point, eps in zip(curved.curve, EPS, strict=True):
        assert point["robust"]["k"] == int((correct & (found.size > eps)).sum())
    forward = [point["cost"]["forward"] for point in curved.curve]
    alive = int(correct.sum())
    audit = 1  # the judge looks at what was found
    assert forward[0] == 90 + alive * (30 + 1 + audit)
    assert forward[1:] == [90] * 3
    verify(curved.folder, model=network(), data=examples(), replay=0)
    again = claim(tmp_path / "alone", ALONE, exhaustive=exhaustive)  # from the ledger
    assert again.curve == curved.curve


def test_beside_other_attacks_the_curve_is_that_of_single_radii(tmp_path):
    curved = claim(tmp_path / "curve", AFTER)
    for point, eps in zip(curved.curve, EPS, strict=True):
        single = claim(tmp_path / f"{eps}", AFTER, threat=THREAT.with_eps(eps), eps=())
        assert point["robust"]["k"] <= single.robust_accuracy.k
        assert point["robust"]["k"] >= single.robust_accuracy.k - 1  # PGD at a smaller radius
    broken = [row for row in curved.per_example if row.status == "broken"]
    assert {row.broken_by for row in broken} == {"pgd", "fmn"}
    assert all(row.size <= 0.1 * (1 + 1e-6) for row in broken)
    verify(curved.folder, model=network(), data=examples(), replay=0)
