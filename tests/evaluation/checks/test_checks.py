"""What the waterfall says about the attacks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evaluation_setup import network
from holdfast.attacks import PGD, Square
from holdfast.claims.chance import at_least
from holdfast.evaluation import Member, verify
from holdfast.evaluation.checks import above_chance, black_box_stronger, diagnose, unmoved
from holdfast.evaluation.run.waterfall import Bar

MEMBERS = (Member(name="pgd", attack=PGD()), Member(name="square", attack=Square()))
NOTHING = {"alone": None, "marginal": 0, "failed": 0, "forward": 0, "backward": 0}
NOTHING |= {"queries": 0, "seconds": 0.0}


def bars(entered, by_pgd, by_square, **changes):
    return [
        Bar(name="clean", entered=entered, broken=0, **NOTHING),
        Bar(name="pgd", entered=entered, broken=by_pgd, **{**NOTHING, **changes}),
        Bar(name="square", entered=entered - by_pgd, broken=by_square, **NOTHING),
    ]


@pytest.mark.parametrize(
    ("left", "broken", "status"),
    [(5000, 0, "pass"), (5000, 3, "warn"), (5000, 25, "fail"), (176, 2, "warn"), (176, 9, "fail")],
)
def test_a_few_points_may_be_chance(left, broken, status):
    """5 of 1000 is more than one in 500 can explain; 2 of 176 is not."""
    finding = black_box_stronger(MEMBERS, bars(left + 100, 100, broken))
    assert finding.status.value == status
    assert f"{broken:,} of {left:,} points" in finding.message
    assert bool(finding.remedy) == (status != "pass")


def test_without_a_pair_there_is_nothing_to_compare():
    assert black_box_stronger(MEMBERS[:1], bars(10, 1, 0)[:2]) is None
    assert black_box_stronger(MEMBERS[1:], bars(10, 0, 1)[::2]) is None
    assert len(diagnose(MEMBERS[:1], bars(10, 1, 0)[:2], 0)) == 2


def test_every_point_broken_by_gradients_leaves_none():
    assert black_box_stronger(MEMBERS, bars(10, 10, 0)).status.value == "pass"


def test_binomial_tail():
    assert at_least(0, 10, 0.002) == 1
    assert at_least(1, 1, 0.002) == pytest.approx(0.002)
    assert at_least(2, 2, 0.5) == pytest.approx(0.25)
    assert at_least(3, 176, 0.002) == pytest.approx(0.00559, abs=1e-4)


def test_members_that_could_not_move_are_named():
    assert unmoved(MEMBERS, bars(1000, 1, 0, failed=10)).status.value == "pass"
    finding = unmoved(MEMBERS, bars(1000, 1, 0, failed=11))
    assert finding.status.value == "warn"
    assert "pgd could not move on 11 of the 1,000" in finding.message


def dropout_net() -> nn.Module:
    return nn.Sequential(*network()[:3], nn.Dropout(0.5), *network()[3:])


@pytest.mark.parametrize(("training", "status"), [(True, "warn"), (False, "pass")])
def test_a_claim_says_when_the_model_came_in_train_mode(run, training, status):
    model = dropout_net().train(training)
    claim = run(model, n=16)
    found = {check["id"]: check for check in claim.document["checks"]}
    assert found["eval-mode"]["status"] == status
    assert model.training is training


def test_a_claim_is_verified_by_a_model_in_train_mode_too(run, data, tmp_path):
    run(dropout_net().eval(), n=16)
    assert verify(tmp_path / "claim", model=dropout_net().train(), data=data)


@pytest.mark.parametrize(
    ("labels", "wrong", "classes", "status"),
    [
        ([0, 1] * 50, 0, 2, "pass"),
        ([0, 1] * 50, 50, 2, "warn"),  # a coin
        ([0, 1] * 50, 45, 2, "warn"),  # within what a coin gives
        ([0, 1] * 50, 40, 2, "pass"),
        ([0] * 90 + [1] * 10, 10, 2, "warn"),  # always 0
        (list(range(10)) * 10, 85, 10, "warn"),
        (list(range(10)) * 10, 80, 10, "pass"),
        ([3] * 100, 0, 10, "warn"),  # one label alone: nothing to tell apart
    ],
)
def test_clean_accuracy_that_a_guess_may_reach_is_said(labels, wrong, classes, status):
    finding = above_chance(labels, wrong, classes)
    assert finding.status == status
    assert finding.id == "chance"


def test_a_network_that_knows_nothing_is_said_to_in_the_claim(run, net):
    class Constant(nn.Module):
        def forward(self, x):
            return net(x) * 1e-3 + torch.tensor([1.0, 0, 0, 0, 0])

    claim = run(Constant())
    assert {c["id"]: c["status"] for c in claim.checks}["chance"] == "warn"
    assert "CHANCE:" in str(claim)
    assert {c["id"]: c["status"] for c in run(out=claim.folder.parent / "b").checks}[
        "chance"
    ] == "pass"
