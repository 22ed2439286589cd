"""A finished claim is returned as it is, or in the way; it is never replaced."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from evaluation_setup import TINY, essence, network
from holdfast.claims import Claim
from holdfast.errors import InputError
from holdfast.evaluation import Suite, evaluate
from holdfast.evaluation.record.provenance import Provenance
from holdfast.evaluation.run import stage
from holdfast.models import wrap

RUN = Provenance(
    run="runs/a",
    method={"type": "madry"},
    threat={"space": {"type": "linf", "eps": 0.1}},
    metrics=b'{"epoch": 1}\n',
    best_epoch=1,
    last_epoch=1,
)


@pytest.fixture
def there(claim, tmp_path):
    """The folder of a finished claim, which tests may change."""
    return shutil.copytree(claim.folder, tmp_path / "claim")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_same_call_returns_the_claim_as_it_is(run, there, monkeypatch, tmp_path):
    shutil.rmtree(there / "ledger")  # large, and of no use any more
    before = contents(there)
    monkeypatch.setattr(stage, "attack_batch", None)
    monkeypatch.chdir(tmp_path)
    assert run(out=there).document["created"] == Claim.load(there).document["created"]
    assert run(out="claim").folder.resolve() == there  # a path may be written otherwise
    assert contents(there) == before


class Doubled(torch.nn.Sequential):
    """The same modules and weights in another forward pass."""

    def forward(self, x):
        return 2 * super().forward(x)


OTHER = {
    "batch_size (16, now 8)": {"batch_size": 8},
    "eps": {"eps": [0.06]},
    "exhaustive": {"exhaustive": True},
    "precision (float32, now bfloat16)": {"precision": "bfloat16"},
    "surrogate": {"surrogate": network(seed=1)},
    "training run": {"behind": RUN},
    "suite": {"suite": Suite(name="tiny", members=TINY.members[:2])},
    "data": {"n": 89},
}


@pytest.mark.parametrize("what", OTHER)
def test_anything_else_is_refused_and_named(what, run, there):
    before = contents(there)
    with pytest.raises(InputError) as caught:
        run(out=there, **OTHER[what])
    assert f"holds a claim with another {what}" in str(caught.value)
    assert contents(there) == before


def test_another_forward_pass_or_machine_is_refused(net, run, there, monkeypatch):
    twin = Doubled(*net).eval()
    twin.__class__.__qualname__ = "Sequential"
    with pytest.raises(InputError, match="another forward pass"):
        run(wrap(twin), out=there)
    torch.set_num_threads(2)
    try:
        with pytest.raises(InputError, match=r"another threads \(1, now 2\)"):
            run(out=there)
    finally:
        torch.set_num_threads(1)
    monkeypatch.setattr(torch, "__version__", "9.9")
    with pytest.raises(InputError, match="another torch"):
        run(out=there)


def test_the_run_behind_the_model_is_part_of_the_claim(run, tmp_path):
    out = tmp_path / "claim"
    first = run(out=out, behind=RUN, suite="quick", n=5)
    again = run(out=out, behind=RUN, suite="quick", n=5)
    assert again.document == first.document
    moved = Provenance(**{**vars(RUN), "run": "/elsewhere/runs/a"})
    assert run(out=out, behind=moved, suite="quick", n=5).document == first.document
    for changes in ({"metrics": b'{"epoch": 2}\n'}, {"best_epoch": 2}):
        with pytest.raises(InputError, match="another training run"):
            run(out=out, behind=Provenance(**{**vars(RUN), **changes}), suite="quick", n=5)


def test_a_damaged_claim_is_computed_anew(run, there, claim):
    for name in ("claim.json", "per_example.csv", "probes.safetensors"):
        path = there / name
        path.write_bytes(path.read_bytes()[:-9])
        assert essence(run(out=there).folder) == essence(claim.folder)


def test_what_a_claim_cannot_hold_is_refused_before_the_work(
    net, data, threat, tmp_path, monkeypatch
):
    member = replace(TINY.members[0], name="no\udcebl")
    cases = [
        (replace(data, name="no\udcebl"), {"suite": TINY}, "is not: rename it"),
        (replace(data, classes=("a", "b", "c", "d", "\ud800")), {"suite": TINY}, "is not: rename"),
        (data, {"suite": Suite(name="mine", members=(member,))}, "is not: rename it"),
    ]
    for examples, changes, words in cases:
        with pytest.raises(InputError, match=words):
            evaluate(net, examples, threat=threat, out=tmp_path / "c", quiet=True, **changes)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    with pytest.raises(InputError, match="a claim cannot hold this: threads"):
        evaluate(net, data, threat=threat, out=tmp_path / "c", quiet=True, suite=TINY)
    assert not (tmp_path / "c").exists()  # its ledger is made before the first attack


def test_a_long_command_is_no_reason_to_fail_in_the_end(run, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["holdfast", "evaluate", "no\udcebl", *["x" * 100] * 400])
    claim = run(out=tmp_path / "c", suite="quick", n=4)
    assert "no\\udcebl" in claim.document["command"]
