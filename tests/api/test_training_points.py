"""Points that training has seen are found out, whatever the record or the points are called."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

import holdfast as hf
from forging import Forger
from holdfast.data import from_tensors
from holdfast.errors import StorageError, VerificationError
from holdfast.evaluation.record.provenance import provenance_of
from holdfast.storage import write_card

THREAT = hf.ThreatModel(hf.Linf(eps=0.1))


@pytest.fixture
def seen():
    return hf.load_data("digits").train


def status(run, data):
    return provenance_of(hf.load(run)).check(data).status.value


def test_test_points_pass(run):
    assert status(run, hf.load_data("digits").test) == "pass"


def other_ids(data):
    return replace(data, ids=data.ids + 10**6)


def other_name(data):
    return replace(data, name="my test set", part="test")


def tensors(data):
    batch = data.batch(torch.arange(100))
    return from_tensors(batch.x.flip(0), (batch.y.flip(0) + 1) % 10)


def a_tenth_of_them(data):
    test = hf.load_data("digits").test.batch(torch.arange(90))
    x = torch.cat([data.batch(torch.arange(10)).x, test.x])
    return from_tensors(x, torch.zeros(100, dtype=torch.int64))


def test_every_model_of_a_run_knows_what_it_has_seen(seen, tmp_path):
    data = seen.take(torch.arange(64))
    result = hf.train("mlp", data, threat=THREAT, epochs=1, out=tmp_path / "run", quiet=True)
    for model in (result.model, result.best.model, result.last.model):
        assert provenance_of(model).check(data).status.value == "fail"
    with torch.no_grad():
        next(result.last.model.parameters()).add_(1)
    assert provenance_of(result.last.model) is None  # it is no longer what the run kept


@pytest.mark.parametrize("disguise", [other_ids, other_name, tensors, a_tenth_of_them])
def test_training_points_are_known_by_their_contents(run, seen, disguise):
    assert status(run, disguise(seen)) == "fail"


def test_one_that_is_alike_is_a_warning(run, seen):
    test = hf.load_data("digits").test.batch(torch.arange(150))
    x = torch.cat([seen.batch(torch.arange(1)).x, test.x])
    assert status(run, from_tensors(x, torch.zeros(151, dtype=torch.int64))) == "warn"


SPOILS = {
    "no ids": ("splits.json", b"[]\n"),
    "ids of nothing": ("splits.json", b'{"train": []}\n'),
    "contents of nothing": ("contents.safetensors", b"\0" * 9),
    "contents of another part": ("contents.safetensors", save({"train": torch.arange(3)})),
}


def reseal(run, name):
    """Let run.json vouch for a file as it is now, as a forger would."""
    card = json.loads((run / "run.json").read_text())
    del card["digest"]
    card["sha256"][name] = hashlib.sha256((run / name).read_bytes()).hexdigest()
    write_card(run / "run.json", card)


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_record_that_is_not_whole_never_passes(run, seen, spoil, tmp_path):
    copy, (name, data) = shutil.copytree(run, tmp_path / "run"), SPOILS[spoil]
    (copy / name).write_bytes(data)
    with pytest.raises(StorageError, match=r"truncated or altered"):
        status(copy, seen)
    reseal(copy, name)
    assert status(copy, seen) == "fail"  # by fingerprint, name and part
    assert status(copy, hf.load_data("digits").test) == "warn"


def test_a_claim_on_training_points_cannot_say_that_they_are_none(run, tmp_path):
    model = hf.load(run)
    options = {"threat": THREAT, "suite": "quick", "n": 8, "quiet": True}
    claim = hf.evaluate(model, "digits:train", out=tmp_path / "claim", **options)
    forger = Forger(claim, tmp_path / "forged")
    check = next(c for c in forger.document["checks"] if c["id"] == "training-data")
    check["status"] = "pass"
    with pytest.raises(VerificationError, match="training-data says fail"):
        hf.verify(forger.write(), model=model, data="digits:train", replay=0)
    forger.document["checks"].remove(check)
    with pytest.raises(VerificationError, match="nothing of it"):
        hf.verify(forger.write(), model=model, data="digits:train", replay=0)
    check["status"] = "fail"
    forger.document["checks"].append(check)
    forger.document["data"]["part"] = "test"
    with pytest.raises(VerificationError, match="calls its examples test points"):
        hf.verify(forger.write(), model=model, data="digits:train", replay=0)


def test_another_training_than_the_run_s(run, claim, tmp_path):
    for key, field in (("method", "attack"), ("threat", "space")):
        forger = Forger(claim, tmp_path / key)
        forger.document["training"][key][field]["eps" if key == "threat" else "steps"] = 7
        with pytest.raises(VerificationError, match=f"another {key} of training"):
            hf.verify(forger.write(), model=hf.load(run), data="digits", replay=0)
