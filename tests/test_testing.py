"""The checks for components of one's own pass what holds and name what does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

import holdfast as hf

pytestmark = pytest.mark.usefixtures("own_components")

HOLD = [
    hf.attacks.FGSM(),
    hf.attacks.APGD(steps=3),
    hf.attacks.Square(queries=4),
    hf.attacks.EachTarget(attack=hf.attacks.FGSM(), top=2),
]
IN_L2 = [hf.attacks.FMN(steps=3), hf.attacks.DeepFool(steps=2)]
SETS = [hf.Linf(eps=0.1), hf.L2(eps=0.5), hf.L1(eps=3), hf.L0(eps=4), hf.RotationTranslation(eps=1),
        hf.Flow(eps=0.3), hf.Patch(eps=0.2), hf.CommonCorruptions(eps=2)]  # fmt: skip


def registered(kind, base, **body):
    """A component of ours with some parts replaced by worse ones."""
    cls = dataclass(frozen=True, kw_only=True)(type("Worse", (base,), body))
    return hf.register(kind)(cls)


@pytest.mark.parametrize("attack", HOLD, ids=repr)
def test_attacks_hold(attack):
    hf.testing.check_attack(attack)


@pytest.mark.parametrize("attack", IN_L2, ids=repr)
def test_attacks_hold_in_another_set(attack):
    hf.testing.check_attack(attack, hf.ThreatModel(hf.L2(eps=0.5)))


@pytest.mark.parametrize("space", SETS, ids=lambda space: type(space).__name__)
def test_sets_hold(space):
    hf.testing.check_space(space)


@pytest.mark.parametrize("method", [hf.Standard(), hf.TRADES(), hf.FastAT(), hf.MTLIBP()], ids=repr)
def test_methods_hold(method):
    hf.testing.check_method(method)


def climbs(self, objective, region, rng, start):
    z = region.init(rng)
    here, grad = hf.attacks.value_and_grad(objective, region, z, rng)
    yield here
    yield hf.attacks.Unscored(region.project(region.step(z, grad, 1.0)))


def shares(self, objective, region, rng, start):
    """What the batch has in common decides where each of it goes."""
    here, grad = hf.attacks.value_and_grad(objective, region, region.init(rng), rng)
    yield here
    common = grad + grad.mean(0, keepdim=True)
    yield hf.attacks.Unscored(region.project(region.step(here.z, common, 1.0)))


def draws(self, objective, region, rng, start):
    for point in climbs(self, objective, region, rng, start):
        torch.rand(1)
        yield point


def idles(self, objective, region, rng, start):
    yield hf.attacks.Unscored(region.center())


def peeks(self, objective, region, rng, start):
    objective.judge(region.x)  # not by the objective, which counts
    yield from climbs(self, objective, region, rng, start)


TWO = hf.attacks.Passes("2", "1")


@pytest.mark.parametrize(
    ("iterate", "spends", "words"),
    [
        (shares, TWO, "notices its batch mates"),
        (draws, TWO, "draws from the global generator"),
        (idles, TWO, "does no harm"),
        (climbs, hf.attacks.Passes("1", "1"), r"passes\(\) states 1 forward, 2 are made"),
        (peeks, TWO, "24 forward passes are made, 16 counted"),
    ],
    ids=["mates", "generator", "harm", "stated", "counted"],
)
def test_a_fault_of_an_attack_is_named(iterate, spends, words):
    worse = registered("attack", hf.attacks.Attack, iterate=iterate, spends=spends)
    with pytest.raises(AssertionError, match=words):
        hf.testing.check_attack(worse())


class Region:
    """The set Linf with one operation replaced."""

    def __init__(self, region, name, by):
        self.region, self.name, self.by = region, name, by

    def __getattr__(self, name):
        if name == self.name:
            return lambda *args: self.by(self.region, *args)
        return getattr(self.region, name)

    def take(self, idx):
        return Region(self.region.take(idx), self.name, self.by)


@pytest.mark.parametrize(
    ("name", "by", "words"),
    [
        ("contains", lambda r, x: torch.zeros(len(x), dtype=torch.bool), "the audit refuses"),
        ("contains", lambda r, x: torch.ones(len(x), dtype=torch.bool), "all is inside"),
        ("project", lambda r, z: r.x, "projecting moves a point of the set"),
        ("center", lambda r: r.x * 0.99, "the center is not the input"),
        ("step", lambda r, z, g, f: r.step(z, -g, f), "does not climb"),
        (
            "realize",
            lambda r, z, at: r.project(z - (z - r.x).mean(0) * 1e-3),
            "notices its batch mates",
        ),
    ],
    ids=["strict", "lax", "project", "center", "step", "mates"],
)
def test_a_fault_of_a_set_is_named(name, by, words):
    def around(self, x, radius=None):
        return Region(hf.Linf(eps=self.eps).around(x, radius), name, by)

    body = {"__annotations__": {"eps": float, "range": tuple[float, float]}, "range": (0.0, 1.0)}
    worse = registered("space", hf.threat.Space, around=around, **body)
    with pytest.raises(AssertionError, match=words):
        hf.testing.check_space(worse(eps=0.1))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda self, model, b, x, *_: model(x).mean(), "one number per example"),
        (lambda self, model, b, x, *_: model(x).sum(1) + model(x).sum(1), "once, not 2 times"),
        (lambda self, model, b, x, *_: model(x).sum(1).detach().requires_grad_(), "no gradient to"),
    ],
    ids=["mean", "twice", "detached"],
)
def test_a_fault_of_a_method_is_named(loss, words):
    worse = registered("method", hf.training.Method, loss=loss, perturb=lambda self, m, b, *_: b.x)
    with pytest.raises(AssertionError, match=words):
        hf.testing.check_method(worse())
