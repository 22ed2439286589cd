"""The files of a run folder are vouched for: what was edited or cut is refused by name."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import Ascent, fit
from holdfast.errors import InputError, StorageError
from holdfast.evaluation.record.provenance import provenance_of
from holdfast.models import wrap
from holdfast.spaces import L2, Linf
from holdfast.storage import read_json, write_json
from holdfast.threat import ThreatModel
from holdfast.training import Standard, TrainPlan, load_run, train
from training_setup import random_splits, small_net

THREAT = ThreatModel(Linf(eps=0.1))


def start(out, **changes):
    plan = TrainPlan(epochs=2, batch_size=16)
    options = {"threat": THREAT, "method": Standard(), "plan": plan, "quiet": True, **changes}
    return train("mlp", random_splits(), out=out, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "finished"
    start(out)
    return out


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def edit(path, change):
    """Change a JSON file as an editor would."""
    content = read_json(path)
    change(content)
    write_json(path, content)


def claim_less(content):
    content["threat"]["space"]["eps"] = 0.3


def other_data(content):
    content["data"]["train"]["fingerprint"] = "0" * 64


def no_test_part(content):
    content["train"] = []


EDITS = {
    "run.json": [claim_less, other_data, lambda content: content.pop("digest")],
    "splits.json": [no_test_part, lambda content: content["validation"].pop()],
}


@pytest.mark.parametrize(("name", "change"), [(n, c) for n in EDITS for c in EDITS[n]])
def test_an_edited_file_is_refused_by_name(name, change, run):
    edit(run / name, change)
    with pytest.raises(StorageError, match=rf"{name} is truncated or altered"):
        start(run, resume=True)
    if name == "run.json":
        with pytest.raises(StorageError, match=rf"{name} is truncated or altered"):
            load_run(run)
        with pytest.raises(StorageError, match=rf"{name} is truncated or altered"):
            hf.load(run)


@pytest.mark.parametrize("cut", [lambda data: data[:-1], lambda data: b"", lambda data: data * 2])
def test_a_cut_record_of_the_examples_is_refused_by_name(cut, run):
    path = run / "contents.safetensors"
    path.write_bytes(cut(path.read_bytes()))
    for use in (lambda: start(run, resume=True), lambda: provenance_of(hf.load(run))):
        with pytest.raises(StorageError, match=r"contents\.safetensors is truncated or altered"):
            use()


METRICS = {
    "a better figure": lambda lines: [lines[0].replace('"epoch": 1', '"epoch": 9'), *lines[1:]],
    "an epoch less": lambda lines: lines[1:],
    "an epoch more": lambda lines: [*lines, lines[-1]],
    "the other order": lambda lines: lines[::-1],
    "nothing": lambda lines: [],
}


@pytest.mark.parametrize("change", METRICS.values(), ids=METRICS)
def test_edited_metrics_are_refused_and_written_anew_once_deleted(change, run):
    path = run / "metrics.jsonl"
    whole = path.read_text()
    path.write_text("".join(change(whole.splitlines(keepends=True))))
    model = hf.load(run)
    with pytest.raises(StorageError, match=r"metrics.jsonl is truncated or altered.*delete it"):
        provenance_of(model)
    with pytest.raises(StorageError, match=r"metrics.jsonl is truncated or altered"):
        start(run, resume=True)
    path.unlink()
    start(run, resume=True)
    assert path.read_text() == whole


@pytest.mark.parametrize("keep", [0, 1, 40])
def test_a_kill_between_the_model_and_the_metrics_is_no_edit(keep, run):
    """The last epoch's line may be missing, or a part of it there; it is not quoted then."""
    path = run / "metrics.jsonl"
    first, last = path.read_text().splitlines(keepends=True)
    path.write_text(first + last[:keep])
    assert provenance_of(hf.load(run)).metrics == first.encode()
    start(run, resume=True)
    assert path.read_text() == first + last


def test_a_claim_quotes_no_edited_run(run, tmp_path):
    edit(run / "splits.json", no_test_part)
    model, data = hf.load(run), random_splits().train
    with pytest.raises(StorageError, match=r"splits.json is truncated or altered"):
        hf.evaluate(model, data, threat=THREAT, suite="quick", out=tmp_path / "c", quiet=True)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("content", ["[]", '{"checkpoint": "../../x"}', '{"checkpoint": 3}', "{}"])
def test_a_pointer_to_no_checkpoint_is_one_error(content, run):
    (run / "checkpoints" / "newest.json").write_text(content)
    with pytest.raises(StorageError, match=r"newest.json names no checkpoint"):
        start(run, resume=True)


def test_a_perturbation_is_vouched_for_and_never_replaced(tmp_path):
    data, net, out = random_splits().train, small_net().eval(), tmp_path / "u"
    found = fit(Ascent(epochs=1), net, data, threat=THREAT, out=out)
    assert fit(Ascent(epochs=1), net, data, threat=THREAT, out=out) == found
    other = {"threat": ThreatModel(L2(eps=0.1))}, {"seed": 1}, {"by_class": True}
    for changes in other:
        with pytest.raises(InputError, match="another"):
            fit(Ascent(epochs=1), net, data, **{"threat": THREAT, "out": out, **changes})
    torch.nn.init.zeros_(net[5].weight)
    with pytest.raises(InputError, match="another model"):
        fit(Ascent(epochs=1), net, data, threat=THREAT, out=out)
    edit(out / "perturbation.json", lambda content: content.update(radius=0.01))
    with pytest.raises(StorageError, match=r"perturbation.json is truncated or altered"):
        _ = hf.attacks.Perturbation(path=str(out)).about
    assert json.loads((out / "perturbation.json").read_text())["radius"] == 0.01


def test_a_network_of_probabilities_is_loaded_from_its_run_as_it_was_built(tmp_path):
    def built():
        return nn.Sequential(small_net(), nn.Softmax(1))

    trained = train(
        wrap(built(), outputs="probabilities"), random_splits(), threat=ThreatModel(Linf(eps=0.1)),
        method=Standard(), plan=TrainPlan(epochs=1), out=tmp_path / "run", quiet=True,
    )  # fmt: skip
    x = torch.rand(3, 1, 6, 6)
    for fresh in (built(), wrap(built(), outputs="probabilities")):
        assert torch.equal(load_run(tmp_path / "run", "best", fresh)(x), trained.model(x))
    with pytest.raises(InputError, match="another architecture"):
        load_run(tmp_path / "run", "best", small_net())
