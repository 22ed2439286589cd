"""Whatever stands in a claim, `verify` proves it or refuses it in one line: never a traceback."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from importlib import import_module

import pytest
import torch
from safetensors.torch import load, save

from holdfast.attacks import EOT, MALT, PGD, EachTarget, Restarts, WarmStart
from holdfast.claims import Claim
from holdfast.components import describe, digest
from holdfast.errors import InputError, StorageError, VerificationError
from holdfast.evaluation import Member, Suite, verify
from malformed import VALUES, changed, places, seal


@pytest.fixture
def copied(claim, tmp_path):
    """A copy of the ordinary claim's folder, to be changed."""
    without = shutil.ignore_patterns("ledger")
    return Claim.load(shutil.copytree(claim.folder, tmp_path / "copied", ignore=without))


def refusal(folder, net, data):
    """Return why the claim is refused, None if it holds."""
    try:
        verify(folder, model=net, data=data, replay=0)
    except (VerificationError, StorageError) as error:
        text = str(error)
    else:
        return None
    assert text.isprintable()
    return text


def loads(folder):
    try:
        Claim.load(folder)
    except (VerificationError, StorageError):
        return False
    return True


def try_all(copied, net, data, every):
    """Put each value that loads in each place; return how many claims held."""
    count = held = 0
    for at in places(copied.document):
        for value in VALUES:
            if not loads(seal(copied.folder, changed(copied.document, at, value))):
                continue
            count += 1
            if count % every == 0:
                held += refusal(copied.folder, net, data) is None
    return held


@pytest.mark.slow
def test_every_value_that_loads_is_refused_or_proven(copied, net, data):
    try_all(copied, net, data, every=1)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("threat", "space", "eps"), 10**18),
        (("threat", "space", "eps"), [[1]]),
        (("threat", "space", "eps"), "1/0"),
        (("threat", "space", "range"), {"a": 1}),
        (("threat", "goal"), {"type": "targeted", "to": 10**18}),
        (("threat", "knowledge"), "psychic"),
        (("suite", "members", 0, "attack"), {"type": "each_target", "top": 10**9}),
        (("suite", "members", 0, "attack"), {"type": "restarts", "restarts": 10**9}),
        (("suite", "members", 0, "attack", "steps"), -1),
        (("suite", "members", 0, "attack", "loss"), {"type": "margin", "a": {"type": "b"}}),
        (("curve",), [{"eps": "x", "radius": 1, "robust": {"withheld": ""}}]),
        (("checks",), []),
    ],
)
def test_a_value_of_the_right_type_that_means_nothing_is_one_line(copied, net, data, at, value):
    assert refusal(seal(copied.folder, changed(copied.document, at, value)), net, data)


def test_a_batch_that_would_not_fit_is_refused_before_it_is_made(copied, net, data, monkeypatch):
    room = import_module("holdfast.evaluation.recheck.verify")
    monkeypatch.setattr(room, "LARGEST_INPUTS", 1000 * 25 * 4)
    seal(copied.folder, changed(copied.document, ("batch_size",), 1001))
    with pytest.raises(VerificationError, match="batches of 1,001 examples"):
        verify(copied.folder, model=net, data=data, replay=0)


def test_an_evaluation_in_such_batches_is_refused_before_it_begins(run, tmp_path):
    for size in (4097, 10**6):
        with pytest.raises(InputError, match=r"batch_size must be in 1\.\.4,096, got"):
            run(batch_size=size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "attack",
    [
        EachTarget(attack=PGD(), top=10**9),
        WarmStart(first=PGD(), then=EachTarget(attack=PGD(), top=10**9)),
        EOT(attack=WarmStart(first=MALT(top=10**9), then=PGD())),
        Restarts(attack=Restarts(attack=PGD(), restarts=10**4), restarts=10**4),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_attacks_of_too_many_parts_are_refused_before_they_are_made(copied, net, data, attack):
    suite = Suite(name="own", members=(Member(name="a", attack=attack),))
    members = [{"name": "a", "attack": describe(attack), "digest": digest(attack)}]
    entry = {"name": "own", "digest": digest(suite), "definition": describe(suite)}
    entry |= {"members": members, "exhaustive": False}
    folder = seal(copied.folder, changed(copied.document, ("suite",), entry))
    assert "of too many parts" in str(refusal(folder, net, data))


X = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([7, 10, 13])


@pytest.mark.parametrize(
    ("name", "tensors"),
    [
        ("probes.safetensors", {"x": X[:0], "logits": torch.zeros(0, 5)}),
        ("probes.safetensors", {"x": X, "logits": torch.zeros(3)}),
        ("probes.safetensors", {"x": torch.tensor(1.0), "logits": torch.tensor(1.0)}),
        ("evidence-00000.safetensors", {"ids": IDS.double(), "x_adv": X}),
        ("evidence-00000.safetensors", {"ids": IDS[:, None], "x_adv": X}),
        ("evidence-00000.safetensors", {"ids": torch.tensor(7), "x_adv": X[0]}),
        ("evidence-00000.safetensors", {"ids": IDS[:0], "x_adv": X[:0]}),
        ("evidence-00000.safetensors", {"ids": IDS, "x_adv": X > 0.5}),
        ("gallery.safetensors", {"ids": IDS, "y": IDS, "x": X, "x_adv": X, "logits": X}),
    ],
)
def test_tensors_that_do_not_fit_are_one_line(copied, net, data, name, tensors):
    content = save({key: value.clone() for key, value in tensors.items()})
    assert replaced(copied, name, content, net, data)


def test_complex_tensors_are_one_line(copied, net, data):
    # safetensors writes them from 0.7 on; a number of type C64 has the size of one of F64
    content = save({"x": X.double(), "logits": torch.zeros(3, 5)}).replace(b'"F64"', b'"C64"')
    assert replaced(copied, "probes.safetensors", content, net, data)


def replaced(copied, name, content, net, data):
    """Return why the claim with another content of a file, and its digest, is refused."""
    (copied.folder / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    document = changed(copied.document, ("files", name), sha256)
    return refusal(seal(copied.folder, document), net, data)


def test_an_empty_gallery_where_examples_are_broken_is_refused_in_one_line(copied, net, data):
    tensors = load((copied.folder / "gallery.safetensors").read_bytes())
    empty = save({key: value[:0].clone() for key, value in tensors.items()})
    assert "gallery" in str(replaced(copied, "gallery.safetensors", empty, net, data))


def test_what_a_claim_has_no_room_for_is_refused_before_it_is_evaluated(run, data, tmp_path):
    for changes in ({"name": "n" * 1001}, {"classes": ("c" * 1001, *"abcd")}):
        with pytest.raises(InputError, match=r"a name may have 1,000 characters"):
            run(examples=replace(data, **changes))
    assert not list(tmp_path.iterdir())
