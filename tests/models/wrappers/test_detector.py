"""Models that may reject: the attacker wins with a wrong class that is not rejected, only."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import APGD, PGD, EachTarget, HopSkipJump
from holdfast.claims import model_digest
from holdfast.data import from_tensors
from holdfast.errors import InputError, VerificationError
from holdfast.evaluation import Member, Suite, evaluate, verify
from holdfast.models import Rejecting, inspect, reject_at, wrap
from small_nets import mlp

SHAPE = (6,)
X = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))
NET = mlp(SHAPE, classes=4, seed=1)
GOAL = hf.Undetected()
THREAT = hf.ThreatModel(hf.Linf(eps=0.3), goal=GOAL)


class Side(nn.Module):
    """Suspects inputs far along one direction."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return self.scale * x.sum(1, keepdim=True)


MODEL = Rejecting(NET, Side(), threshold=3.5)
with torch.no_grad():
    Y = NET(X).argmax(1)
    SUSPECT = X.sum(1) > 3.5


def test_it_answers_what_the_classifier_does_unless_it_rejects():
    with torch.no_grad():
        logits = MODEL(X)
        assert torch.equal(logits[:, :4], NET(X))
    assert torch.equal(logits.argmax(1), torch.where(SUSPECT, 4, Y))
    assert 5 < int(SUSPECT.sum()) < 35
    assert MODEL.rejects
    assert not wrap(NET).rejects
    assert wrap(MODEL) is MODEL


def test_harm_needs_a_wrong_class_and_no_rejection():
    logits = torch.tensor(
        [
            [2.0, 5.0, 0.0, 4.0],  # class 1, accepted
            [2.0, 5.0, 0.0, 6.0],  # class 1, rejected
            [5.0, 2.0, 0.0, 4.0],  # class 0, accepted
            [5.0, 2.0, 0.0, 6.0],  # class 0, rejected
        ]
    )
    assert GOAL.harm(logits, torch.zeros(4).long(), None).tolist() == [1.0, -1.0, -3.0, -4.0]
    assert GOAL.harm(logits[:1], torch.ones(1).long(), None).item() < 0
    reached = hf.Targeted().harm(logits, torch.zeros(4).long(), torch.ones(4).long())
    assert (reached > 0).tolist() == [True, False, False, False]
    assert (hf.Untargeted().harm(logits, torch.zeros(4).long(), None) > 0).tolist() == [
        True, True, False, True,
    ]  # fmt: skip


ATTACKS = [
    PGD(steps=30),
    APGD(steps=30, loss=hf.losses.CrossEntropy()),
    APGD(steps=30, loss=hf.losses.DLR()),
    APGD(steps=30, loss=hf.losses.JointMargin()),
    EachTarget(attack=APGD(steps=20), top=3),
    hf.attacks.FMN(steps=40),
    hf.attacks.DeepFool(),
    hf.attacks.Square(queries=200),
    HopSkipJump(queries=300),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)
def test_every_attack_serves_the_goal(attack):
    found = hf.attack(MODEL, X, Y, threat=THREAT, attack=attack, seed=0)
    with torch.no_grad():
        wrong = NET(found.x_adv).argmax(1) != Y
        rejected = found.x_adv.sum(1) > 3.5
    assert torch.equal(found.reached, wrong & ~rejected)
    assert int(found.success.sum()) > 10
    assert found.x_adv.shape == X.shape


def test_targets_are_classes_and_never_the_rejection():
    from holdfast.objective import Objective

    objective = Objective(THREAT, MODEL, X, Y)
    assert objective.num_classes == 4
    for rank in (1, 2, 3):
        assert bool((objective.ranked(rank) < 4).all())
        assert not bool((objective.ranked(rank) == Y).any())


def test_the_scale_changes_no_verdict():
    other = Rejecting(NET, Side(), threshold=3.5, scale=7.0)
    with torch.no_grad():
        assert torch.equal(MODEL(X).argmax(1), other(X).argmax(1))
    assert model_digest(MODEL) != model_digest(other)
    assert model_digest(MODEL) != model_digest(Rejecting(NET, Side(), threshold=3.6))


def test_a_threshold_for_a_share_of_the_clean_inputs():
    for share in (0.05, 0.25):
        model = reject_at(NET, Side(), X, share)
        with torch.no_grad():
            assert float((model(X).argmax(1) == 4).float().mean()) == pytest.approx(share, abs=0.03)
        assert model.scale > 0


def test_a_claim_about_a_model_that_may_reject(tmp_path):
    data = from_tensors(X, Y, num_classes=4, name="x")
    suite = Suite(name="s", members=(Member(name="apgd", attack=APGD(steps=20)),))
    options = {"suite": suite, "quiet": True, "batch_size": 16}
    claim = evaluate(MODEL, data, threat=THREAT, out=tmp_path / "a", **options)
    assert claim.document["counts"]["clean-wrong"] == int(SUSPECT.sum())  # rejected is not right
    assert claim.document["counts"]["broken"] > 5
    assert claim.document["model"]["num_classes"] == 4
    assert "wrong and not rejected" in str(claim)
    verify(tmp_path / "a", model=MODEL, data=data, replay=2)
    with pytest.raises(VerificationError, match="the model is not the claim's"):
        verify(tmp_path / "a", model=NET, data=data)
    with pytest.raises(InputError, match="searched in float32"):
        evaluate(MODEL, data, threat=THREAT, out=tmp_path / "b", precision="bfloat16", **options)


def test_a_detector_without_gradients_is_noticed():
    class Hidden(nn.Module):
        def forward(self, x):
            return (x.sum(1) * 4).round() / 4

    kept = ~SUSPECT
    ids = {f.id: f.status for f in inspect(Rejecting(NET, Hidden(), 3.5), X[kept], Y[kept])}
    assert ids["detector-gradient"] == "fail"
    assert ids["zero-gradient"] == "pass"
    ids = {f.id: f.status for f in inspect(MODEL, X[kept], Y[kept])}
    assert ids["detector-gradient"] == "pass"


def test_mistakes_are_named():
    with pytest.raises(InputError, match="needs a model that may reject"):
        hf.attack(NET, X, Y, threat=THREAT, seed=0)
    with pytest.raises(InputError, match="needs a model that may reject"):
        hf.attack(MODEL, X, Y, threat=THREAT, surrogate=NET, seed=0)
    with pytest.raises(InputError, match="one score per example"):
        Rejecting(NET, nn.Identity(), 0.5)(X)
    with pytest.raises(InputError, match=r"labels must be in 0\.\.3, got 4"):
        hf.attack(MODEL, X, torch.full_like(Y, 4), threat=THREAT, seed=0)
    with pytest.raises(InputError, match="scale must be"):
        Rejecting(NET, Side(), 0.5, scale=0)
    with pytest.raises(InputError, match="share must be"):
        reject_at(NET, Side(), X, 1.0)
