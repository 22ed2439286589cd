"""Claims about black boxes: what could not run has failed, and the claim says what was asked."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from evaluation_setup import TINY, examples, network
from holdfast.attacks import APGD, HopSkipJump, Square
from holdfast.claims import Withheld
from holdfast.errors import InputError, TargetError, Unsupported, VerificationError
from holdfast.evaluation import Member, Suite, verify
from holdfast.models import Function, wrap
from holdfast.spaces import Linf
from holdfast.threat import Knowledge, ThreatModel

SCORES = ThreatModel(Linf(eps=0.12), knowledge=Knowledge.SCORE)
BLIND = Suite(name="blind", members=(Member(name="square", attack=Square(queries=40)),))


NET = network()


def ask(x):
    with torch.no_grad():
        return NET(torch.from_numpy(x)).numpy()


def scores():
    return wrap(Function(ask, "logits"))


def only_labels():
    return wrap(Function(lambda x: ask(x).argmax(1), "labels", num_classes=5))


def test_score_attacks_make_the_claim_that_they_make_of_the_network(run, tmp_path):
    white = run(threat=SCORES, suite=BLIND, out=tmp_path / "white")
    black = run(scores(), threat=SCORES, suite=BLIND, out=tmp_path / "black")
    assert black.document["counts"] == white.document["counts"]
    assert black.document["counts"]["broken"] > 5
    assert black.cost.backward == 0
    model = black.document["model"]
    assert model["name"] == "function ask"
    assert model["target"] == {"outputs": "logits", "settings": "function ask", "sealed": False}
    assert "BLACK BOX: Function ask gives scores and no gradient" in str(black)
    assert "not its function" in str(black)
    assert "score" in str(black).split("within Linf")[1][:30]
    assert "target" not in white.document["model"]


def test_the_claim_is_verified_against_the_same_target_and_no_other(run, data, tmp_path):
    run(scores(), threat=SCORES, suite=BLIND)
    folder = tmp_path / "claim"
    assert verify(folder, model=scores(), data=data).replay is None  # its queries cost somebody
    report = verify(folder, model=scores(), data=data, replay=4)
    assert report.counterexamples > 5
    assert report.replayed == 4

    def ask(x):  # the same name, another function
        return np.roll(network()(torch.from_numpy(x)).detach().numpy(), 1, 1)

    with pytest.raises(VerificationError, match="logits on the claim's probes"):
        verify(folder, model=wrap(Function(ask, "logits")), data=data)
    with pytest.raises(VerificationError, match="the model is not the claim's"):
        verify(folder, model=only_labels(), data=data)


def test_gradient_members_fail_and_nothing_reads_as_robust(run, data, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "holdfast"):
        claim = run(scores())
    assert (
        "pgd cannot run: it needs gradient, the model gives scores and no gradient" in caplog.text
    )
    counts = claim.document["counts"]
    assert counts["unbroken"] == 0
    assert counts["failed"] > 5
    assert counts["broken"] > 5  # Square's
    assert isinstance(claim.robust_accuracy, Withheld)
    assert "WITHHELD" in str(claim)
    bars = {bar["name"]: bar for bar in claim.waterfall}
    assert bars["pgd"]["failed"] == bars["pgd"]["entered"] > 0
    assert bars["pgd"]["forward"] == bars["pgd"]["queries"] == 0
    unmoved = next(check for check in claim.checks if check["id"] == "unmoved")
    assert unmoved["status"] == "warn"
    assert "does not give what pgd needs" in unmoved["message"]
    assert "suite='score'" in unmoved["remedy"]  # and no other loss, which would not help
    assert "DLR" not in str(claim)
    assert "black-box-stronger" not in {check["id"] for check in claim.checks}
    verify(tmp_path / "claim", model=scores(), data=data)


def test_labels_alone(run, data, tmp_path):
    hop = Suite(name="hop", members=(Member(name="hop", attack=HopSkipJump(queries=150)),))
    threat = ThreatModel(Linf(eps=0.12), knowledge=Knowledge.DECISION)
    claim = run(only_labels(), threat=threat, suite=hop, n=30)
    assert claim.document["counts"]["broken"] > 2
    assert claim.document["counts"]["failed"] == 0
    verify(tmp_path / "claim", model=only_labels(), data=data)
    mixed = Suite(name="mixed", members=(*BLIND.members, *hop.members))
    claim = run(only_labels(), threat=SCORES, suite=mixed, n=30, out=tmp_path / "mixed")
    assert claim.document["counts"]["unbroken"] == 0  # a score attack was granted and could not run


def test_a_suite_of_which_nothing_could_run_is_refused(run, tmp_path):
    apgd = Suite(name="apgd", members=(Member(name="apgd", attack=APGD(steps=3)),))
    with pytest.raises(Unsupported, match=r"apgd needs gradient knowledge.*use one of .*square"):
        run(scores(), suite=apgd)
    with pytest.raises(InputError, match="one precision"):
        run(scores(), threat=SCORES, suite=BLIND, precision="bfloat16")
    assert not (tmp_path / "claim").exists()


def test_a_target_that_raises_in_a_search_fails_that_example(run, data):
    first = data.source.x[:20].numpy()

    def moody(x):
        gone = [(np.abs(first - row).reshape(20, -1).max(1) > 0).all() for row in x]
        if np.any(gone):  # everything but unchanged inputs of the first twenty
            raise TimeoutError("too slow")
        return ask(x)

    claim = run(Function(moody, "logits"), threat=SCORES, suite=BLIND, n=len(data))
    counts = claim.document["counts"]
    assert counts["unbroken"] == counts["broken"] == 0
    assert counts["failed"] > 10


def test_every_member_of_the_tiny_suite_needs_a_gradient_but_one():
    kinds = [m.attack.demands().knowledge for m in TINY.members]
    assert kinds.count(Knowledge.GRADIENT) == len(kinds) - 1
    assert len(examples()) == 90


def test_a_target_that_goes_away_ends_the_run_and_the_same_call_continues_it(run, tmp_path):
    """An outage is one error: nothing is counted, least of all as robust."""
    left = 60

    def target(x):
        nonlocal left
        left -= 1
        if left < 0:
            raise TargetError("the endpoint does not answer")
        return ask(x)

    model = wrap(Function(target, "logits"))
    with pytest.raises(TargetError, match="does not answer"):
        run(model, threat=SCORES, suite=BLIND)
    assert not (tmp_path / "claim" / "claim.json").exists()
    left = 10**6
    claim = run(model, threat=SCORES, suite=BLIND)
    whole = run(model, threat=SCORES, suite=BLIND, out=tmp_path / "whole")
    assert claim.document["counts"] == whole.document["counts"]
    assert claim.document["counts"]["failed"] == 0
