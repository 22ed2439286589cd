"""Universal changes: fitted on one split, reported on another, near the best that there is."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import PGD, ApplyPerturbation, Ascent, Perturbation, ProceduralNoise, fit
from holdfast.data import from_tensors
from holdfast.errors import InputError, StorageError
from holdfast.rng import Rng
from holdfast.spaces import L0, L2, Linf
from holdfast.threat import Knowledge, ThreatModel

D = 36
THREAT = ThreatModel(Linf(eps=0.05))


def linear(classes=2):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Flatten(), nn.Linear(D, classes))
    return net.eval()


def split(net, part, n=160):
    """Inputs of one class, so that one change can serve all: where it leads away is known."""
    x = Rng(part, torch.arange(4 * n)).uniform((1, 6, 6), 0.1, 0.9)
    with torch.no_grad():
        y = net(x).argmax(1)
    keep = (y == y.mode().values).nonzero().flatten()[:n]
    return from_tensors(x[keep], y[keep], ids=keep, num_classes=net[1].out_features)


def rate(net, data, attack, threat=THREAT):
    batch = data.batch(torch.arange(len(data)))
    found = hf.attack(net, batch.x, batch.y, threat=threat, attack=attack, ids=batch.ids, seed=0)
    return float(found.success.float().mean())


def best_rate(net, data, eps=0.05):
    """One corner of the cube is the best change for every input of one class."""
    batch = data.batch(torch.arange(len(data)))
    y = int(batch.y[0])
    slope = (net[1].weight[1 - y] - net[1].weight[y]).detach().reshape(1, 6, 6)
    with torch.no_grad():
        moved = (batch.x + eps * slope.sign()).clamp(0, 1)
        return float((net(moved).argmax(1) != batch.y).float().mean())


def methods():
    from holdfast.attacks import UAP, DeepFool

    return [Ascent(epochs=4), UAP(attack=DeepFool(steps=10), together=4)]


@pytest.mark.parametrize("method", methods(), ids=lambda method: type(method).__name__)
def test_what_is_fitted_on_one_split_fools_another_nearly_as_often_as_can_be(method, tmp_path):
    net = linear()
    train, test = split(net, 1), split(net, 2)
    found = fit(method, net, train, threat=THREAT, out=tmp_path / "u", batch_size=32)
    delta = found.tensors["delta"]
    assert delta.shape == (1, 1, 6, 6)
    assert float(delta.abs().max()) <= 0.05 + 1e-7
    ideal = best_rate(net, test)
    assert 0.2 < ideal < 0.98
    reached = rate(net, test, ApplyPerturbation(perturbation=found))
    assert reached >= 0.95 * ideal
    assert rate(net, test, ApplyPerturbation(perturbation=ProceduralNoise())) < reached


def test_reporting_on_what_it_was_fitted_on_is_refused_whatever_the_ids_say(tmp_path):
    net = linear()
    train, test = split(net, 1, n=40), split(net, 2, n=40)
    found = fit(Ascent(epochs=1), net, train, threat=THREAT, out=tmp_path / "u")
    with pytest.raises(InputError, match=r"40 of 40 examples .* report on another split"):
        rate(net, train, ApplyPerturbation(perturbation=found))
    batch = train.batch(torch.arange(3))
    again = from_tensors(batch.x, batch.y, ids=torch.tensor([901, 902, 903]), num_classes=2)
    with pytest.raises(InputError, match="3 of 3"):
        rate(net, again, ApplyPerturbation(perturbation=found))
    rate(
        net, test, ApplyPerturbation(perturbation=found)
    )  # same ids in another set: other examples


def test_the_file_says_what_it_is_and_notices_changes(tmp_path):
    net = linear()
    train, test = split(net, 1, n=40), split(net, 2, n=10)
    found = fit(Ascent(epochs=1), net, train, threat=THREAT, out=tmp_path / "u", seed=3)
    about = json.loads((tmp_path / "u" / "perturbation.json").read_text())
    assert about["split"]["fingerprint"] == train.fingerprint
    assert about["method"]["type"] == "ascent"
    assert about["sha256"] == found.digest
    assert found.tensors["ids"].tolist() == train.ids.tolist()
    whatever = Perturbation(path=found.path)
    attack = ApplyPerturbation(perturbation=whatever)
    assert hf.attacks.ApplyPerturbation(perturbation=found) != attack
    assert rate(net, test, attack) == rate(net, test, ApplyPerturbation(perturbation=found))
    other = Perturbation(path=found.path, digest=64 * "0")
    with pytest.raises(StorageError, match="altered or replaced"):
        rate(net, test, ApplyPerturbation(perturbation=other))
    with pytest.raises(InputError, match=r"shape \(1, 6, 6\), got \(36,\)"):
        flat = nn.Sequential(nn.Linear(D, 2))
        hf.attack(
            flat, torch.rand(2, D), torch.zeros(2).long(), threat=THREAT, attack=attack, seed=0
        )


def test_one_change_for_each_class_fools_more_than_one_for_all(tmp_path):
    net = linear(classes=3)
    x = Rng(1, torch.arange(300)).uniform((1, 6, 6), 0.1, 0.9)
    with torch.no_grad():
        y = net(x).argmax(1)
    data = from_tensors(x, y, num_classes=3)
    train, test = data.take(torch.arange(200)), data.take(torch.arange(200, 300))
    rates = {}
    for by_class in (False, True):
        out = tmp_path / str(by_class)
        found = fit(
            Ascent(epochs=4), net, train, threat=THREAT, out=out, by_class=by_class, batch_size=50
        )
        assert len(found.tensors["delta"]) == (3 if by_class else 1)
        rates[by_class] = rate(net, test, ApplyPerturbation(perturbation=found))
    assert rates[True] > rates[False] + 0.1


@pytest.mark.parametrize("space", [L2(eps=0.3), L0(eps=4)], ids=["l2", "l0"])
def test_other_norms(space, tmp_path):
    net = linear()
    train, test = split(net, 1, n=80), split(net, 2, n=40)
    threat = ThreatModel(space)
    found = fit(Ascent(epochs=3), net, train, threat=threat, out=tmp_path / "u", batch_size=20)
    reached = rate(net, test, ApplyPerturbation(perturbation=found), threat)
    assert reached > 0.2
    wider = threat.with_eps(2 * space.radius)
    assert rate(net, test, ApplyPerturbation(perturbation=found), wider) >= reached


def test_it_needs_nothing_of_the_model_that_it_is_reported_on(tmp_path):
    net = linear()
    train, test = split(net, 1, n=40), split(net, 2, n=40)
    found = fit(Ascent(epochs=2), net, train, threat=THREAT, out=tmp_path / "u")
    attack = ApplyPerturbation(perturbation=found)
    labels = ThreatModel(Linf(eps=0.05), knowledge=Knowledge.DECISION)
    assert rate(net, test, attack, labels) == rate(net, test, attack)
    with pytest.raises(hf.Unsupported):
        rate(net, test, PGD(), labels)
