"""Attacks that carry over: between networks, through ensembles, and as a matrix."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from holdfast.attacks import (
    APGD,
    BIM,
    MIFGSM,
    NIFGSM,
    PGD,
    TIFGSM,
    VMIFGSM,
    VNIFGSM,
    Admix,
    ImagePool,
    MixedCopies,
)
from holdfast.data import load
from holdfast.errors import InputError
from holdfast.evaluation import transfer_matrix
from holdfast.losses import DLR, KL, CrossEntropy, Margin
from holdfast.models import MeanLogits, MeanLosses, MeanProbabilities
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import L2, Linf
from holdfast.threat import Knowledge, ThreatModel

SPACE = Linf(eps=0.15)
CE = CrossEntropy()


@cache
def digits():
    data = load("digits")
    train, test = data.train, data.test
    whole = train.batch(torch.arange(len(train)))
    few = test.batch(torch.arange(150))
    return (whole.x, whole.y), (few.x, few.y)


def conv(width):
    return nn.Sequential(
        *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, stride=2)),
        *(nn.ReLU(), nn.Flatten(), nn.Linear(9 * width, 10)),
    )


def dense(width):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


@cache
def net(kind, seed):
    """A small network trained on digits for about a second."""
    (x, y), _ = digits()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = conv(12) if kind == "conv" else dense(48)
        optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
        for _ in range(150):
            rows = torch.randint(len(x), (128,))
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
    return model.eval().requires_grad_(False)


def carried(attack, source, judge):
    """Return the share of test digits that the judge gets wrong on what was made on the source."""
    _, (x, y) = digits()
    threat = ThreatModel(SPACE, knowledge=Knowledge.TRANSFER)
    objective = Objective(threat, source, x, y, judge=judge)
    found = attack(objective, SPACE.around(x), Rng(0, torch.arange(len(x))))
    return float(found.success.float().mean())


def pool():
    (x, y), _ = digits()
    return ImagePool.of(x[:256], y[:256])


TRANSFERS = [
    MIFGSM(loss=CE),
    NIFGSM(loss=CE),
    TIFGSM(loss=CE, kernel=3, deviations=1.0),
    VMIFGSM(loss=CE, neighbors=5),
    VNIFGSM(loss=CE, neighbors=5),
]


@pytest.mark.parametrize("attack", TRANSFERS, ids=lambda attack: type(attack).__name__)
def test_carries_over_at_least_as_often_as_plain_steps(attack):
    """Between two pairs of networks; 0.03: what four of 150 digits weigh.

    Views of the input need larger images: tests/attacks/parity/test_transfer.py.
    """
    pairs = [(net("conv", 0), net("dense", 1)), (net("dense", 1), net("conv", 0))]
    ours = sum(carried(attack, *pair) for pair in pairs)
    plain = sum(carried(BIM(loss=CE), *pair) for pair in pairs)
    print(f"{type(attack).__name__} {ours / 2:.3f}, BIM {plain / 2:.3f}")
    assert ours / 2 >= plain / 2 - 0.03


def test_admix_carries_over_and_takes_images_of_other_classes_from_its_pool():
    attack = Admix(images=pool(), loss=CE, mixed=2, copies=3)
    ours = carried(attack, net("conv", 0), net("dense", 1))
    assert ours >= carried(BIM(loss=CE), net("conv", 0), net("dense", 1)) - 0.03
    (x, y), (few, labels) = digits()
    at = Rng(0, torch.arange(len(few)))
    picked = pool().pick(few, labels, at)
    index = [int((x[:256] == image).flatten(1).all(1).nonzero()[0]) for image in picked]
    assert bool((y[index] != labels).all())
    assert len(set(index)) > 50
    assert torch.equal(picked, ImagePool.of(x[:256], y[:256]).pick(few, labels, at))


def test_a_pool_without_its_images_or_of_another_shape_is_refused():
    _, (x, y) = digits()
    view = MixedCopies(images=ImagePool(digest="0" * 64))
    with pytest.raises(InputError, match=r"ImagePool\.of"):
        view.see(x, y, Rng(0, torch.arange(len(x))), 0)
    with pytest.raises(InputError, match="shaped like the inputs"):
        ImagePool.of(torch.rand(3, 5)).pick(x, y, Rng(0, torch.arange(len(x))))
    with pytest.raises(InputError, match="as many labels"):
        ImagePool.of(x, y[:2])


def test_ensembles_are_the_means_that_they_say():
    _, (x, y) = digits()
    members = [net("conv", 0), net("dense", 1)]
    one, other = (member(x) for member in members)
    assert torch.allclose(MeanLogits(members)(x), (one + other) / 2)
    mean = (one.softmax(1) + other.softmax(1)) / 2
    assert torch.allclose(MeanProbabilities(members)(x).exp(), mean, atol=1e-6)
    objective = Objective(ThreatModel(SPACE), MeanLosses(members), x, y)
    at = Rng(0, torch.arange(len(x)))
    for loss in (CE, DLR(), Margin()):
        score = objective.using(loss).score(x, at)
        assert torch.allclose(score.loss, (loss.away(one, y) + loss.away(other, y)) / 2, atol=1e-5)
        assert torch.equal(score.harm, Margin().away((one + other) / 2, y))
    assert bool(objective.using(KL()).score(x, at).loss.isfinite().all())
    z = x.clone().requires_grad_()
    _, gaps, grads = objective.gaps(z, z, at, 3)
    assert torch.allclose(gaps[:, 0], Margin().away((one + other) / 2, y), atol=1e-5)
    assert grads.shape == (3, *x.shape)
    with pytest.raises(InputError, match="logits of one shape"):
        MeanLogits([net("conv", 0), nn.Sequential(nn.Flatten(), nn.Linear(64, 3))])(x)
    with pytest.raises(InputError, match="at least one"):
        MeanLosses([])


@pytest.mark.parametrize("ensemble", [MeanLogits, MeanProbabilities, MeanLosses])
def test_two_surrogates_carry_over_better_than_one(ensemble):
    judge = net("dense", 5)
    surrogates = [net("conv", 0), net("dense", 1)]
    together = carried(MIFGSM(loss=CE), ensemble(surrogates), judge)
    alone = [carried(MIFGSM(loss=CE), surrogate, judge) for surrogate in surrogates]
    print(f"{ensemble.__name__} {together:.3f}, alone {alone}")
    assert together >= sum(alone) / 2


def test_the_matrix_is_each_networks_own_verdict():
    _, (x, y) = digits()
    nets = {"conv": net("conv", 0), "dense": net("dense", 1)}
    matrix = transfer_matrix(PGD(steps=5), ThreatModel(SPACE), nets, x, y, batch_size=64)
    assert matrix.broken.shape == (2, 2, 150)
    assert matrix.right.shape == (2, 150)
    for j, judge in enumerate(nets.values()):
        assert torch.equal(matrix.right[j], judge(x).argmax(1) == y)
    for i in range(2):  # white box beats transfer
        assert int(matrix.broken[i, i].sum()) >= int(matrix.broken[1 - i, i].sum())
    objective = Objective(ThreatModel(SPACE), nets["conv"], x, y)
    found = PGD(steps=5)(objective, SPACE.around(x), Rng(0, torch.arange(150)))
    assert int((matrix.broken[0, 0] != found.success).sum()) <= 1
    assert int((matrix.broken[0, 1] != (nets["dense"](found.x_adv).argmax(1) != y)).sum()) <= 1
    share, low, high = matrix.rate("conv", "dense")
    assert 0 <= low <= share <= high <= 1
    table = matrix.table().splitlines()
    assert table[0] == "| made on | conv | dense |"
    assert table[2].startswith("| conv | ")
    assert "n = " in table[-1]
    with pytest.raises(InputError, match="at least one source"):
        transfer_matrix(APGD(), ThreatModel(L2(eps=1.0)), {}, x, y)
