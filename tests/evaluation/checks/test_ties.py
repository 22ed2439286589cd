"""Claims about heads with masked classes or a constant in all logits, and claims with ties."""

from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from evaluation_setup import examples, network
from holdfast.attacks import FMN
from holdfast.claims import write_claim
from holdfast.claims.wording import sentence
from holdfast.errors import VerificationError
from holdfast.evaluation import Member, Suite, verify
from holdfast.evaluation.recheck.evidence import near
from holdfast.models import inspect, wrap
from holdfast.training.validation import Validator

BATCH = examples().batch(torch.arange(90))
X, Y = BATCH.x, BATCH.y
EVIDENCE = "evidence-00000.safetensors"


class Headed(nn.Module):
    """A network whose logits are changed by what its digest does not see."""

    def __init__(self, change):
        super().__init__()
        self.net = network()
        self.change = change

    def forward(self, x):
        return self.change(self.net(x))


def masked(value, count=3):
    return lambda z: torch.cat([z, torch.full((len(z), count), value, dtype=z.dtype)], 1)


def drawn(z):
    return z + 0.3 * torch.randn_like(z)


CHANGES = {
    "masked at -1e9": masked(-1e9),
    "masked at -inf": masked(-torch.inf),
    "a constant": lambda z: z + 1e3,
    "a scale": lambda z: masked(-1e9)(1e-4 * z),
}


def checks(claim):
    return {check["id"]: check["status"] for check in claim.checks}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_claim_depends_on_nothing_that_no_verdict_depends_on(change, run, data):
    """It verifies where other hardware rounds the last digits otherwise."""
    found = run(Headed(change), n=48)
    plain = run(network(), n=48, out=found.folder.parent / "plain")
    assert found.clean_accuracy == plain.clean_accuracy
    assert found.robust_accuracy == plain.robust_accuracy
    assert set(checks(found).values()) == {"pass"}
    jitter = torch.tensor([1, -1, 1, -1, 1]) * 2e-6
    proven = verify(found.folder, model=Headed(lambda z: change(z + jitter)), data=data)
    assert proven.counterexamples == found.document["counts"]["broken"] > 0


@pytest.mark.parametrize("value", [-1e9, -torch.inf])
def test_a_masked_class_lets_no_clean_input_pass_for_a_counterexample(value, run, data, tmp_path):
    model = Headed(masked(value))
    claim = run(model, n=32)
    document = copy.deepcopy(dict(claim.document))
    files = {name: (claim.folder / name).read_bytes() for name in document["files"]}
    shown = load(files[EVIDENCE])
    place = {i: k for k, i in enumerate(data.ids.tolist())}
    shown["x_adv"] = X[[place[i] for i in shown["ids"].tolist()]]
    files[EVIDENCE] = save(shown)
    rows = [line.split(",") for line in files["per_example.csv"].decode().splitlines()]
    at = rows[0].index("size")
    rows[1:] = [[*row[:at], row[at] and "0.0", *row[at + 1 :]] for row in rows[1:]]
    files["per_example.csv"] = "".join(",".join(row) + "\n" for row in rows).encode()
    write_claim(tmp_path / "forged", document, files)
    with pytest.raises(VerificationError, match="does not fool"):
        verify(tmp_path / "forged", model=model, data=data)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_logits_are_told_apart_whatever_stands_beside_them(change):
    with torch.no_grad():
        one, other = (Headed(change)(X + shift) for shift in (0.0, 0.05))
    assert near(one, one + 0.0)
    assert not near(other, one)


@pytest.mark.parametrize("value", [-1e9, -torch.inf])
def test_a_masked_class_hides_no_chance_and_is_no_overflow(value):
    def found(change):
        findings = inspect(wrap(Headed(change)).eval(), X, Y)
        return {finding.id: finding.status.value for finding in findings}

    assert set(found(masked(value)).values()) == {"pass"}
    assert found(lambda z: masked(value)(drawn(z)))["repeatable"] == "fail"
    assert found(lambda z: z / 0)["finite-outputs"] == "fail"


def test_validation_of_a_masked_head(data, threat):
    plain, headed = (Validator(examples=data, threat=threat)(m) for m in (
        wrap(network()), wrap(Headed(masked(-1e9)))
    ))  # fmt: skip
    assert headed == plain
    assert headed["clean"] > 0.8


def test_a_claim_with_more_than_a_few_ties_says_so(run, data, tmp_path):
    """float32 holds steps of 1 at 1e7, so most of these logits tie."""
    model = Headed(lambda z: z + 1e7)
    claim = run(model, n=32)
    assert checks(claim)["ties"] == "warn"
    assert "TIES: " in sentence(claim.document)
    assert "points are ties (" in sentence(claim.document)
    assert "outputs='labels'" in sentence(claim.document)  # for votes, which no float32 sets apart
    verify(claim.folder, model=model, data=data)
    document = copy.deepcopy(dict(claim.document))
    next(check for check in document["checks"] if check["id"] == "ties")["status"] = "pass"
    document["waterfall"][0]["marginal"] = 0
    files = {name: (claim.folder / name).read_bytes() for name in document["files"]}
    write_claim(tmp_path / "silent", document, files)
    with pytest.raises(VerificationError, match="ties"):
        verify(tmp_path / "silent", model=model, data=data)


def test_counterexamples_next_to_the_boundary_hold_where_the_last_digits_differ(run, data):
    """A search for the nearest ends just beyond a tie; rounding may put it back."""
    suite = Suite(name="near", members=(Member(name="fmn", attack=FMN(steps=60)),))
    claim = run(Headed(masked(-1e9)), n=32, suite=suite)
    assert claim.document["counts"]["broken"] > 5
    jitter = torch.tensor([1, -1, 1, -1, 1]) * 3e-6
    verify(claim.folder, model=Headed(lambda z: masked(-1e9)(z + jitter)), data=data)
    push = torch.tensor([1, -1, 1, -1, 1]) * 3e-3
    with pytest.raises(VerificationError):
        verify(claim.folder, model=Headed(lambda z: masked(-1e9)(z + push)), data=data)
