"""A second model for the search: gradients are its own, verdicts the model's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import holdfast as hf
from evaluation_setup import SHAPE, TINY, network
from holdfast.attacks import PGD, Square
from holdfast.claims import Claim, Withheld, model_digest
from holdfast.data import from_tensors
from holdfast.errors import InputError, Unsupported, VerificationError
from holdfast.evaluation import Member, Suite, verify
from holdfast.models import Function, bpda, wrap
from holdfast.threat import Knowledge


class Round(nn.Module):
    """A front end without a derivative."""

    def forward(self, x):
        return (x * 15).round() / 15


DEFENDED = nn.Sequential(Round(), network()).eval()
TWIN = bpda(DEFENDED, {"0": None})
GRADIENTS = Suite(name="gradients", members=TINY.members[:3])


@pytest.fixture(scope="module")
def rounded():
    """Examples that the defended network gets right."""
    x = torch.rand(60, *SHAPE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return from_tensors(x, DEFENDED(x).argmax(1), name="rounded", num_classes=5)


def test_a_front_end_without_gradients_is_noticed_and_its_twin_breaks_it(run, rounded, tmp_path):
    """The trap: gradient attacks alone cannot move, and a careless count would call it robust."""
    alone = run(DEFENDED, rounded, suite=GRADIENTS, out=tmp_path / "alone")
    ids = {check["id"]: check["status"] for check in alone.checks}
    assert ids["zero-gradient"] == "fail"
    assert "ZERO GRADIENT" in str(alone)
    assert isinstance(alone.robust_accuracy, Withheld)
    assert alone.document["counts"]["unbroken"] == 0
    assert alone.document["counts"]["failed"] > 40

    found = run(DEFENDED, rounded, suite=GRADIENTS, surrogate=TWIN, out=tmp_path / "found")
    ids = {check["id"]: check["status"] for check in found.checks}
    assert ids["zero-gradient"] == "pass"
    assert found.document["counts"]["failed"] == 0
    assert found.robust_accuracy.value < 0.1
    free = run(network(), rounded, suite=GRADIENTS, out=tmp_path / "free")
    assert found.robust_accuracy.value <= free.robust_accuracy.value + 0.05


def test_the_claim_names_the_search_model_and_its_digest(run, rounded, tmp_path):
    claim = run(DEFENDED, rounded, suite=GRADIENTS, surrogate=TWIN)
    assert claim.document["search"] == {"name": "Sequential", "digest": model_digest(TWIN)}
    assert "SEARCH MODEL: gradients" in str(claim)
    assert "were those of Sequential (digest" in str(claim)
    folder = tmp_path / "claim"
    assert str(Claim.load(folder)) == str(claim)
    full = verify(folder, model=DEFENDED, data=rounded, surrogate=TWIN, replay=2)
    assert full.replayed == 2
    assert "not at hand" not in str(full)
    part = verify(folder, model=DEFENDED, data=rounded)
    assert part.counterexamples == full.counterexamples
    assert "surrogate was not at hand" in str(part)
    with pytest.raises(InputError, match="pass surrogate="):
        verify(folder, model=DEFENDED, data=rounded, replay=3)
    with pytest.raises(VerificationError, match="the surrogate is not the claim's"):
        verify(folder, model=DEFENDED, data=rounded, surrogate=network(seed=1))
    other = run(DEFENDED, rounded, suite=GRADIENTS, out=tmp_path / "other")
    with pytest.raises(VerificationError, match="the surrogate is not the claim's"):
        verify(other.folder, model=DEFENDED, data=rounded, surrogate=TWIN)
    with pytest.raises(InputError, match="another surrogate"):
        run(DEFENDED, rounded, suite=GRADIENTS, out=tmp_path / "other", surrogate=TWIN)


def test_attacks_without_gradients_ask_the_model_itself(run, rounded, tmp_path):
    blind = Suite(name="blind", members=TINY.members[3:])
    wrong = network(seed=5)  # a poor surrogate
    alone = run(DEFENDED, rounded, suite=blind, out=tmp_path / "alone")
    beside = run(DEFENDED, rounded, suite=blind, surrogate=wrong, out=tmp_path / "beside")
    assert beside.per_example["status"] == alone.per_example["status"]


def test_a_surrogate_is_searched_to_the_end_because_the_judge_may_differ(run, rounded, tmp_path):
    """The first point that fools a surrogate lies on its boundary and seldom fools another."""
    near = network()
    with torch.no_grad():
        for weight in near.parameters():
            weight += 0.05 * torch.randn_like(weight)
    suite = Suite(name="pgd", members=(Member(name="pgd", attack=PGD(steps=20)),))
    claim = run(DEFENDED, rounded, suite=suite, surrogate=near)
    assert claim.document["counts"]["broken"] > 20


def test_a_black_box_is_judged_while_its_surrogate_is_searched(run, rounded, tmp_path):
    def ask(x):
        with torch.no_grad():
            return DEFENDED(torch.from_numpy(x)).argmax(1)

    target = Function(ask, "labels", num_classes=5)
    suite = Suite(name="two", members=(*GRADIENTS.members, *TINY.members[3:]))
    claim = run(target, rounded, suite=suite, surrogate=TWIN)
    assert claim.document["counts"]["broken"] > 35
    assert claim.document["counts"]["failed"] == 0
    verify(tmp_path / "claim", model=target, data=rounded)
    verify(tmp_path / "claim", model=target, data=rounded, surrogate=TWIN, replay=2)


def test_under_transfer_the_surrogate_is_all_there_is(run, rounded, threat, tmp_path):
    blind = replace(threat, knowledge=Knowledge.TRANSFER)
    with pytest.raises(Unsupported, match="grants transfer"):
        run(DEFENDED, rounded, threat=blind, suite=GRADIENTS)
    claim = run(DEFENDED, rounded, threat=blind, suite=GRADIENTS, surrogate=network())
    assert claim.document["counts"]["broken"] > 20
    assert claim.cost.queries == 0
    verify(tmp_path / "claim", model=DEFENDED, data=rounded)


def test_low_precision_is_finished_in_the_twins_own(run, rounded):
    claim = run(DEFENDED, rounded, suite=GRADIENTS, surrogate=TWIN, precision="bfloat16")
    names = [bar["name"] for bar in claim.waterfall]
    assert "pgd-float32" in names
    assert claim.document["counts"]["failed"] == 0
    assert claim.robust_accuracy.value < 0.35


def test_search_models_that_do_not_fit(run, rounded, tmp_path):
    cases = [
        (wrap(network(), range=(-1, 1)), "surrogate takes inputs in"),
        (network(classes=4), "has 4 classes and the model 5"),
        (nn.Linear(3, 5), "cannot take"),
        ("a twin", "model must be"),
    ]
    for surrogate, message in cases:
        with pytest.raises(InputError, match=message):
            run(DEFENDED, rounded, surrogate=surrogate)
    assert not (tmp_path / "claim").exists()


def test_on_the_surface(rounded, threat, tmp_path):
    data = (rounded.batch(torch.arange(20)).x, rounded.y[:20])
    claim = hf.evaluate(
        DEFENDED,
        data,
        threat=threat,
        suite=GRADIENTS,
        surrogate=TWIN,
        out=tmp_path / "c",
        quiet=True,
    )
    assert claim.document["counts"]["failed"] == 0
    report = hf.verify(tmp_path / "c", model=DEFENDED, data=data, surrogate=TWIN, replay=0)
    assert report.searched
    hf.report(claim, tmp_path / "report.html")
    assert "Surrogate" in (tmp_path / "report.html").read_text()


def test_the_square_of_a_suite_counts_its_queries_of_the_judge(run, rounded):
    suite = Suite(name="s", members=(Member(name="square", attack=Square(queries=7)),))
    claim = run(DEFENDED, rounded, suite=suite, surrogate=TWIN, n=20)
    assert claim.cost.queries > 0
