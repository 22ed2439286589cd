"""One patch for all inputs: fitted on one split, put anywhere on another."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import holdfast as hf
from holdfast.attacks import (
    ApplyPatch,
    ApplyPerturbation,
    Ascent,
    ProceduralNoise,
    UniversalPatch,
    fit,
)
from holdfast.data import from_tensors
from holdfast.errors import InputError, Unsupported
from holdfast.models import Rotation, Transformed
from holdfast.rng import Rng
from holdfast.spaces import Circle, Linf, Patch
from holdfast.threat import Knowledge, ThreatModel
from small_nets import digits

THREAT = ThreatModel(Patch(height=0.375, width=0.375))


class Place(nn.Module):
    """Says 0 unless something in the image looks like the key, wherever it is."""

    def __init__(self):
        super().__init__()
        key = Rng(5, torch.arange(1)).sign((1, 3, 3))
        self.key = nn.Conv2d(1, 1, 3)
        with torch.no_grad():
            self.key.weight.copy_(key[:, None, 0] if key.ndim == 3 else key)
            self.key.bias.zero_()

    def forward(self, x):
        found = (2 * self.key(2 * x - 1).flatten(1)).logsumexp(1)
        return torch.stack([torch.full_like(found, 13.0), found], 1)


def split(net, part, n=120):
    x = Rng(part, torch.arange(4 * n)).uniform((1, 8, 8), 0.2, 0.8)
    with torch.no_grad():
        keep = (net(x).argmax(1) == 0).nonzero().flatten()[:n]
    return from_tensors(x[keep], torch.zeros_like(keep), ids=keep, num_classes=2)


def rate(net, data, attack, threat=THREAT):
    batch = data.batch(torch.arange(len(data)))
    found = hf.attack(net, batch.x, batch.y, threat=threat, attack=attack, ids=batch.ids, seed=0)
    assert bool(threat.space.around(batch.x).contains(found.x_adv).all())
    return float(found.success.float().mean())


def test_the_key_is_found_and_opens_on_images_never_seen(tmp_path):
    net = Place().eval()
    train, test = split(net, 1), split(net, 2)
    method = UniversalPatch(epochs=10, transforms=())
    found = fit(method, net, train, threat=THREAT, out=tmp_path / "p", batch_size=40)
    patch = found.tensors["delta"]
    assert patch.shape == (1, 1, 3, 3)
    key = (net.key.weight > 0).float()
    assert float((patch[0] - key[0]).abs().max()) < 0.05  # the optimum, exactly
    assert rate(net, test, ApplyPatch(perturbation=found)) > 0.99
    assert rate(net, test, ApplyPatch(perturbation=ProceduralNoise())) < 0.3
    with pytest.raises(InputError, match="120 of 120 examples"):
        rate(net, train, ApplyPatch(perturbation=found))
    wider = ThreatModel(Patch(height=0.5, width=0.5))
    with pytest.raises(InputError, match=r"windows of shape \(1, 3, 3\), got \(1, 4, 4\)"):
        rate(net, test, ApplyPatch(perturbation=found), wider)
    labels = ThreatModel(THREAT.space, knowledge=Knowledge.DECISION)
    assert rate(net, test, ApplyPatch(perturbation=found), labels) > 0.99


def test_a_round_patch_fools_more_than_any_other_however_it_is_held(tmp_path):
    net, x, y = digits(300)
    data = from_tensors(x, y, num_classes=10)
    train, test = data.take(torch.arange(200)), data.take(torch.arange(200, 300))
    threat = ThreatModel(Patch(height=0.5, width=0.5, shape=Circle(radius=0.5)))
    turns = (Rotation(degrees=90),)
    method = UniversalPatch(epochs=10, transforms=turns)
    found = fit(method, net, train, threat=threat, out=tmp_path, batch_size=50)
    for held in ((), turns):
        fitted = rate(net, test, ApplyPatch(perturbation=found, transforms=held, places=3), threat)
        striped = rate(net, test, ApplyPatch(transforms=held, places=3), threat)
        assert fitted > striped + 0.1
        assert fitted > rate(net, test, ApplyPatch(perturbation=found, transforms=held), threat)


def test_what_does_not_fit_is_named(tmp_path):
    net = Place().eval()
    train = split(net, 1, n=20)
    with pytest.raises(InputError, match="a universal patch works in Patch, not in Linf"):
        fit(UniversalPatch(), net, train, threat=ThreatModel(Linf(eps=0.1)), out=tmp_path)
    with pytest.raises(InputError, match=r"a universal change works in Linf.*not in Patch"):
        fit(Ascent(), net, train, threat=THREAT, out=tmp_path)
    with pytest.raises(Unsupported, match=r"apply_perturbation works in .*PixelL0, not in Patch"):
        rate(net, train, ApplyPerturbation())
    with pytest.raises(Unsupported, match="apply_patch works in Patch, not in Linf"):
        rate(net, train, ApplyPatch(), ThreatModel(Linf(eps=0.1)))


def test_the_folder_of_a_patch_does_not_matter(tmp_path):
    net, x, y = digits(40)
    data = from_tensors(x, y, num_classes=10)
    method = UniversalPatch(epochs=1, transforms=())
    found = []
    for folder in ("a", "b"):
        made = fit(method, net, data.take(torch.arange(20)), threat=THREAT, out=tmp_path / folder)
        paste = ApplyPatch(perturbation=made)
        found.append(hf.attack(net, x[20:], y[20:], threat=THREAT, attack=paste, seed=0).x_adv)
    assert torch.equal(*found)


def test_one_patch_for_each_class(tmp_path):
    net, x, y = digits(200)
    data = from_tensors(x, y, num_classes=10)
    train, test = data.take(torch.arange(150)), data.take(torch.arange(150, 200))
    rates = []
    for by_class in (False, True):
        out = tmp_path / str(by_class)
        method = UniversalPatch(epochs=10, transforms=())
        found = fit(method, net, train, threat=THREAT, out=out, by_class=by_class, batch_size=50)
        assert len(found.tensors["delta"]) == (10 if by_class else 1)
        rates.append(rate(net, test, ApplyPatch(perturbation=found)))
    assert rates[1] > rates[0]


def test_stickers_hold_before_a_camera_if_fitted_to_the_expectation():
    """RP2: stickers in a mask, climbed over views; without them the attack fails before it."""
    net, x, y = digits(40)
    stickers = hf.Masked(
        eps=0.8,
        shapes=(hf.Rectangle(top=0.0, height=0.15, width=1.0), hf.Circle(row=0.75, radius=0.15)),
    )
    scene = (hf.models.Translation(share=0.12),)
    judge = Transformed(net, scene, looks=24)
    options = {"threat": ThreatModel(stickers), "seed": 0}
    climb = hf.attacks.PGD(steps=15, step_size=0.2)
    eot = hf.attacks.EOT(attack=climb, samples=4)
    still = hf.attack(net, x, y, attack=climb, **options)
    held = hf.attack(judge, x, y, attack=eot, surrogate=Transformed(net, scene), **options)
    with torch.no_grad():
        fooled = float((judge(still.x_adv).argmax(1) != y).float().mean())
        clean = float((judge(x).argmax(1) != y).float().mean())
    assert clean < 0.1 < fooled
    assert float(held.success.float().mean()) > fooled + 0.1
    assert bool(stickers.around(x).contains(held.x_adv).all())
