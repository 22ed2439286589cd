"""What the numbers in an attack may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from holdfast.attacks import (
    APGD,
    BIM,
    MIFGSM,
    NES,
    PGD,
    RFGSM,
    SPSA,
    ZOO,
    Bandits,
    Cosines,
    EachTarget,
    Gaussian,
    GenAttack,
    Reinforce,
    Restart,
    Restarts,
    Scatter,
    SignHunter,
    SimBA,
    Square,
    TargetRank,
    first,
    last,
    worst,
)
from holdfast.errors import ConfigError, VerificationError
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import ThreatModel
from small_nets import batch, mlp

SHAPE = (1, 4, 4)
WRONG = [
    *((kind, {"steps": value}) for kind in (PGD, BIM, MIFGSM, APGD) for value in (0, -1, 2.5)),
    *(
        (kind, {"step_size": value})
        for kind in (PGD, BIM, MIFGSM, RFGSM)
        for value in (0.0, -0.25, float("nan"), float("inf"))
    ),
    (MIFGSM, {"decay": -1.0}),
    (Square, {"queries": 0}),
    *((Square, {"fraction": value}) for value in (0.0, -0.1, 1.1)),
    (Restarts, {"attack": PGD(), "restarts": 0}),
    (Restart, {"attack": PGD(), "index": -1}),
    (EachTarget, {"attack": PGD(), "top": 0}),
    (TargetRank, {"attack": PGD(), "rank": 0}),
    *((kind, {"queries": 0}) for kind in (NES, SPSA, SimBA, ZOO, SignHunter, Bandits, GenAttack)),
    *((kind, {"samples": 1}) for kind in (NES, SPSA)),
    *((kind, {"sigma": 0.0}) for kind in (NES, SPSA, ZOO, Bandits)),
    *((kind, {"step_size": 0.0}) for kind in (NES, SimBA, Bandits)),
    *((kind, {"learning_rate": 0.0}) for kind in (SPSA, ZOO)),
    (NES, {"momentum": -0.1}),
    (ZOO, {"coordinates": 0}),
    *((Bandits, {name: 0.0}) for name in ("exploration", "prior_step")),
    (Bandits, {"tiles": 0}),
    (GenAttack, {"population": 1}),
    *((GenAttack, {name: 0.0}) for name in ("rate", "mutation", "temperature")),
    (Reinforce, {"queries": 0}),
    *((Reinforce, {name: 0.0}) for name in ("fraction", "step_size")),
    (Reinforce, {"rate": -1.0}),
    (Cosines, {"share": 0.0}),
    (Gaussian, {"std": -0.1}),
]


@pytest.mark.parametrize(("kind", "fields"), WRONG, ids=str)
def test_a_number_that_cannot_be_meant_is_refused_by_name(kind, fields):
    *_, (name, value) = fields.items()
    with pytest.raises(ConfigError, match=rf"^[a-z_]+\.{name} must be .*, got {value}$"):
        kind(**fields)


@pytest.mark.parametrize("space", [Linf(eps=0.3), L2(eps=1.5)], ids=["linf", "l2"])
@pytest.mark.parametrize("reduce", [worst, first, "call"])
def test_a_start_outside_the_set_is_no_counterexample(space, reduce):
    """Inputs on the edge of the range, where the start leaves it; labels that are wrong at once."""
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    x = x.round()
    with torch.no_grad():
        y = (net(x).argmax(1) + 1) % 4
    region, rng = space.around(x), Rng(0, torch.arange(len(x)))
    objective = Objective(ThreatModel(space), net, x, y)
    own = RFGSM(start=Scatter())
    far = torch.full_like(x, 2.0)
    for attack, start in ((own, None), (Restarts(attack=own, restarts=2), None), (PGD(), far)):
        if reduce == "call":
            found = attack(objective, region, rng, start)
        else:
            found = reduce(attack, objective, region, rng, start)
        assert bool(found.success.all())
        assert bool(region.contains(found.x_adv).all())
    assert not bool(region.contains(Scatter().for_training(region, rng)).all())


def test_training_starts_where_the_start_says():
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    space = Linf(eps=0.3)
    region, rng = space.around(x.round()), Rng(0, torch.arange(len(x)))
    objective = Objective(ThreatModel(space), net, x.round(), y)
    attack = RFGSM(start=Scatter())
    given = last(attack, objective, region, rng, region.scatter(rng.fold("start")))
    assert torch.equal(last(attack, objective, region, rng), given)
    clipped = last(attack, objective, region, rng, Scatter()(region, rng))
    assert not torch.equal(given, clipped)


def test_what_an_attack_returns_outside_the_set_is_an_error(monkeypatch):
    walk = PGD.iterate

    def escape(self, objective, region, rng, start=None):
        for point in walk(self, objective, region, rng, start):
            yield replace(point, z=point.z + 1)

    monkeypatch.setattr(PGD, "iterate", escape)
    net = mlp(SHAPE)
    x, y = batch(net, SHAPE)
    space = Linf(eps=0.1)
    objective = Objective(ThreatModel(space), net, x, y)
    with pytest.raises(VerificationError, match="outside the allowed set"):
        PGD(steps=1)(objective, space.around(x), Rng(0, torch.arange(len(x))))
