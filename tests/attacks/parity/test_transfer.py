"""Transfer attacks against torchattacks: the loss reached on one published network."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from holdfast.attacks import (
    BIM,
    DIFGSM,
    MIFGSM,
    NIFGSM,
    SINIFGSM,
    TIFGSM,
    VMIFGSM,
    VNIFGSM,
    Admix,
    Diverse,
    ImagePool,
    ResizePad,
    TranslationKernel,
)
from holdfast.losses import CrossEntropy
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import Linf
from holdfast.threat import Knowledge, ThreatModel

CE = CrossEntropy()
N, EPS = 100, 0.2


def published(shared, name):
    sys.path.insert(0, str(shared / "targets"))
    try:
        from load_target import load
    finally:
        sys.path.pop(0)
    return load(name)[0]


@pytest.fixture(scope="module")
def case(shared):
    net = published(shared, "mnist_clean_smallcnn")
    with np.load(shared / "data" / "images" / "mnist.npz") as images:
        x, y = images["x_test"][:N], images["y_test"][:N]
    return net, torch.from_numpy(x).float().reshape(N, 1, 28, 28) / 255, torch.from_numpy(y).long()


# torchattacks 3.5.1, ten steps of eps / 10, cross-entropy, the first 100 test images of MNIST.
# Those without draws must agree; DI: the mean of five seeds, which lie between 5.2 and 6.1.
@pytest.mark.parametrize(
    ("attack", "reached", "within"),
    [
        (MIFGSM(loss=CE), 6.2657, 0.01),
        (Diverse(loss=CE), 6.2657, 0.01),
        (NIFGSM(loss=CE), 6.8256, 0.01),
        (SINIFGSM(loss=CE), 6.7687, 0.01),
        (TIFGSM(kernel=5, loss=CE), 6.1558, 0.01),
        pytest.param(VMIFGSM(neighbors=5, loss=CE), 6.6426, 0.15, marks=pytest.mark.slow),
        (VNIFGSM(neighbors=5, loss=CE), 7.2985, 0.15),
        (DIFGSM(loss=CE), 5.70, 0.4),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "loss") else "",
)
def test_the_loss_reached_is_the_references(case, attack, reached, within):
    net, x, y = case
    space = Linf(eps=EPS)
    objective = Objective(ThreatModel(space), net, x, y)
    found = attack(objective, space.around(x), Rng(0, torch.arange(N)))
    with torch.no_grad():
        assert F.cross_entropy(net(found.x_adv), y).item() == pytest.approx(reached, abs=within)


@pytest.fixture(scope="module")
def carried(shared, case):
    """Return a function: the share that a certified network gets wrong on what was made here."""
    net, x, y = case
    judge, space = published(shared, "mnist_wongkolter_eps0.1"), Linf(eps=0.3)

    def share(attack):
        threat = ThreatModel(space, knowledge=Knowledge.TRANSFER)
        objective = Objective(threat, net, x, y, judge=judge)
        found = attack(objective, space.around(x), Rng(0, torch.arange(N)))
        return float(found.success.float().mean())

    return share


def other_images(shared):
    with np.load(shared / "data" / "images" / "mnist.npz") as images:
        x, y = images["x_test"][5000:5256], images["y_test"][5000:5256]
    return ImagePool.of(
        torch.from_numpy(x).float().reshape(-1, 1, 28, 28) / 255, torch.from_numpy(y).long()
    )


@pytest.mark.slow
def test_each_part_carries_over_more_often_than_plain_steps(shared, carried):
    """Measured: BIM 0.66, MI 0.74, DI 0.87, SI-NI 0.86, VNI 0.86, Admix 0.89, DI with TI 0.87."""
    plain = carried(BIM(loss=CE))
    assert carried(MIFGSM(loss=CE)) >= plain + 0.04
    for attack in (
        DIFGSM(loss=CE),
        SINIFGSM(loss=CE),
        VNIFGSM(neighbors=5, loss=CE),
        Admix(images=other_images(shared), mixed=2, copies=3, loss=CE),
        Diverse(views=(ResizePad(), TranslationKernel(kernel=5)), loss=CE),
    ):
        assert carried(attack) >= plain + 0.1, type(attack).__name__
