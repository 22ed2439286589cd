"""Losses against hand computations, on every number of classes, at every scale."""

from __future__ import annotations

import math

import pytest
import torch

from holdfast.components import known
from holdfast.logits import best_other, of_class
from holdfast.losses import (
    DLR,
    KL,
    CrossEntropy,
    JointMargin,
    LogitMatch,
    Margin,
    ScaledCrossEntropy,
)

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 1.0], [-7.0, -3.0, -9.0, -4.0], [0.0, 5.0, 5.0, -2.0]])
Y = torch.tensor([0, 1, 3])
T = torch.tensor([3, 3, 0])
EVERY = [cls() for cls in known("loss").values()]
NAMES = list(known("loss"))


def rows(*values):
    return torch.tensor(values)


def gradient(value, logits):
    (grad,) = torch.autograd.grad(value.sum(), logits)
    return grad


def random_case(classes, seed=0, n=64):
    torch.manual_seed(seed)
    logits = torch.randn(n, classes)
    y = torch.randint(classes, (n,))
    target = (y + torch.randint(1, classes, (n,))) % classes
    return logits, y, target


def test_picking_classes():
    assert torch.equal(of_class(LOGITS, Y), rows(2.0, -3.0, -2.0))
    assert torch.equal(best_other(LOGITS, Y), rows(1.0, -4.0, 5.0))


def test_cross_entropy():
    by_hand = [
        math.log(sum(math.exp(v - row[y]) for v in row))
        for row, y in zip(LOGITS.tolist(), Y, strict=True)
    ]
    assert CrossEntropy().away(LOGITS, Y).tolist() == pytest.approx(by_hand, rel=1e-6)
    towards = CrossEntropy().towards(LOGITS, Y, T)
    assert torch.equal(towards, -CrossEntropy().away(LOGITS, T))


def test_margin():
    assert torch.equal(Margin().away(LOGITS, Y), rows(-1.0, -1.0, 7.0))
    assert torch.equal(Margin().towards(LOGITS, Y, T), rows(-1.0, -1.0, 2.0))


def test_dlr_as_in_the_paper():
    away = DLR().away(LOGITS, Y)
    assert away.tolist() == pytest.approx([-1 / 1.5, -1 / 4, 7 / 5], rel=1e-6)
    towards = DLR().towards(LOGITS, Y, T)
    by_hand = [-1 / (2 - 0.5 * (0.5 - 1)), -1 / (-3 + 0.5 * (7 + 9)), 2 / (5 - 0.5 * (0 - 2))]
    assert towards.tolist() == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_dlr_is_the_margin_below_four_classes(classes):
    logits, y, target = random_case(classes)
    assert torch.equal(DLR().away(logits, y), Margin().away(logits, y))
    assert torch.equal(DLR().towards(logits, y, target), Margin().towards(logits, y, target))


def test_kl():
    reference = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    logits = torch.tensor([[math.log(3.0), 0.0], [1.0, -1.0]])
    value = KL().away(logits, torch.tensor([0, 0]), reference)
    by_hand = 0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)
    assert value.tolist() == pytest.approx([by_hand, 0.0], abs=1e-6)
    assert KL.needs_reference
    assert bool(KL().away(LOGITS * 1e3, Y, LOGITS).isfinite().all())


def test_scaled_cross_entropy_has_the_margin_as_value_and_its_own_direction():
    logits, y, target = random_case(5)
    logits.requires_grad_()
    away = ScaledCrossEntropy().away(logits, y)
    assert torch.equal(away.detach(), Margin().away(logits, y).detach())
    top = logits.detach().topk(2, dim=1).values
    gap = (top[:, 0] - top[:, 1])[:, None]
    expected = ((logits.detach() / gap).softmax(1) - torch.eye(5)[y]) / gap
    assert torch.allclose(gradient(away, logits), expected, rtol=1e-4, atol=1e-5)
    towards = ScaledCrossEntropy().towards(logits, y, target)
    assert torch.equal(towards.detach(), Margin().towards(logits, y, target).detach())


def test_scaled_cross_entropy_keeps_its_value_where_the_gap_is_tiny():
    logits = torch.tensor([[1.0, 1.0 - 1e-7, -2.0]])
    value = ScaledCrossEntropy().away(logits, torch.tensor([2]))
    assert value.item() == 3.0


@pytest.mark.parametrize("loss", EVERY, ids=NAMES)
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
@pytest.mark.parametrize("shift", [0.0, -100.0])
def test_every_loss_moves_the_prediction_the_right_way(loss, classes, shift):
    """A small step along the gradient widens the margin, also where every logit is negative."""
    logits, y, target = random_case(classes)
    if isinstance(loss, DLR):  # its ratio is flat once the label is third: search is over by then
        y = logits.argmax(1)
        target = (y + 1) % classes
    logits = (logits + shift).requires_grad_()
    reference = logits.detach() + 0.1 * torch.randn_like(logits)
    away = loss.away(logits, y, reference)
    assert away.shape == y.shape
    assert bool(away.isfinite().all())
    if isinstance(loss, LogitMatch):  # towards logits of its own, whatever the prediction
        return
    if not isinstance(loss, KL):
        grad = gradient(away, logits)
        assert bool((of_class(grad, y) <= 0).all())
        assert bool((best_other(grad, y) >= 0).all())
        assert bool((grad.abs().amax(1) > 0).all())
    grad = gradient(loss.towards(logits, y, target, reference), logits)
    assert bool((of_class(grad, target) > 0).all())


@pytest.mark.parametrize("loss", [Margin(), DLR()], ids=["margin", "dlr"])
@pytest.mark.parametrize("classes", [2, 3, 4, 10])
def test_the_margin_is_never_masked_wrongly(loss, classes):
    """Negative logits, the first and the last class: the gradient sits on label and best other."""
    logits = -10 - torch.arange(classes, dtype=torch.float32).flip(0).repeat(classes, 1)
    logits.requires_grad_()
    y = torch.arange(classes)
    value = loss.away(logits, y)
    grad = gradient(value, logits)
    for i in range(classes):
        other = classes - 1 if i != classes - 1 else classes - 2
        margin = logits[i, other].item() - logits[i, i].item()
        assert math.copysign(1, value[i].item()) == math.copysign(1, margin)
        assert value[i].item() != 0
        if isinstance(loss, Margin):
            expected = torch.zeros(classes)
            expected[i], expected[other] = -1, 1
            assert torch.equal(grad[i], expected)


@pytest.mark.parametrize("loss", [DLR(), ScaledCrossEntropy()], ids=["dlr", "scaled"])
@pytest.mark.parametrize("scale", [1e-3, 1e-1, 10.0, 1e3])
def test_scale_of_the_logits_does_not_change_the_direction(loss, scale):
    logits, y, target = random_case(6, n=200)

    def direction(value_of, scale):
        x = logits.clone().requires_grad_()
        grad = gradient(value_of(x * scale), x)
        return grad / grad.norm(dim=1, keepdim=True).clamp_min(1e-12)

    for form in (lambda z: loss.away(z, y), lambda z: loss.towards(z, y, target)):
        assert torch.allclose(direction(form, scale), direction(form, 1.0), atol=1e-4)
    if isinstance(loss, DLR):
        assert torch.allclose(loss.away(logits * scale, y), loss.away(logits, y), rtol=1e-4)


def test_confident_logits_leave_a_gradient_to_the_scaled_loss_alone():
    logits = torch.tensor([[500.0, 0.0, -3.0]], requires_grad=True)
    y = torch.tensor([0])
    assert float(gradient(CrossEntropy().away(logits, y), logits).abs().max()) == 0
    assert float(gradient(ScaledCrossEntropy().away(logits, y), logits).abs().max()) > 1e-4


@pytest.mark.parametrize("loss", EVERY, ids=NAMES)
def test_rows_do_not_mix_and_doubles_stay_doubles(loss):
    logits, y, target = random_case(5, n=8)
    logits, reference = logits.double(), torch.randn(8, 5).double()
    away = loss.away(logits, y, reference)
    assert away.dtype == torch.float64
    for i in range(8):
        one = slice(i, i + 1)
        assert torch.equal(loss.away(logits[one], y[one], reference[one]), away[one])
    assert loss.towards(logits, y, target, reference).shape == (8,)


def test_logit_match_is_highest_where_label_and_target_have_changed_places():
    reference = torch.tensor([[3.0, 1.0, -2.0]])
    y, target = torch.tensor([0]), torch.tensor([2])
    assert LogitMatch().away(torch.tensor([[1.0, 3.0, -2.0]]), y, reference).item() == 0
    turned = torch.tensor([[-2.0, 1.0, 3.0]])
    assert LogitMatch().towards(turned, y, target, reference).item() == 0
    assert LogitMatch().away(turned, y, reference).item() == pytest.approx(-(9 + 4 + 25) / 3)


def test_what_stands_for_label_and_rejection():
    classes = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    label, reject = torch.tensor([2.0, 2.0, 0.0]), torch.tensor([-9.0, 2.0, 5.0])
    assert torch.equal(Margin().merge(label, reject, classes), torch.maximum(label, reject))
    soft = JointMargin(softness=0.1).merge(label, reject, classes)
    assert soft.tolist() == pytest.approx([2.0, 2 + 0.2 * math.log(2), 5.0], abs=1e-5)
    flat = torch.zeros(3, 2)
    assert bool(JointMargin().merge(label, reject, flat).isfinite().all())


MASKABLE = {
    "scaled": ScaledCrossEntropy(),
    "dlr": DLR(),
    "kl": KL(),
}


@pytest.mark.parametrize("value", [-1e9, -torch.inf, torch.finfo(torch.float32).min])
@pytest.mark.parametrize("real", [3, 6])
@pytest.mark.parametrize("loss", MASKABLE.values(), ids=MASKABLE)
def test_masked_classes_change_neither_a_loss_nor_its_gradient(loss, real, value):
    """Among few classes too: where a ratio has no fourth class, a masked one is none either."""
    draws = torch.Generator().manual_seed(0)
    logits, reference = torch.randn(2, 8, real, generator=draws) * 3
    y, target = torch.arange(8) % real, torch.arange(1, 9) % real
    masks = torch.full((8, 4), value)

    def run(*more):
        z = logits.clone().requires_grad_()
        seen, known = (torch.cat([part, *more], 1) for part in (z, reference))
        values = torch.stack([loss.away(seen, y, known), loss.towards(seen, y, target, known)])
        return values.detach(), torch.autograd.grad(values.sum(), z)[0]

    (plain, slope), (among, tilt) = run(), run(masks)
    torch.testing.assert_close(among, plain)
    torch.testing.assert_close(tilt, slope)
    assert bool(slope.any())


@pytest.mark.parametrize("value", [-1e9, -torch.inf])
def test_no_masked_class_sets_the_scale_of_a_joint_margin_or_a_guide(value):
    z = torch.tensor([[2.0, 1.0, -1.0]]).requires_grad_()
    seen = torch.cat([z, torch.full((1, 3), value)], 1)
    joint = JointMargin()
    reject = torch.tensor([1.9])
    merged = joint.merge(z[:, 0], reject, seen)
    torch.testing.assert_close(merged, joint.merge(z[:, 0], reject, z))
    y = torch.tensor([0])
    guided = LogitMatch().away(seen, y, seen.detach())
    torch.testing.assert_close(2 * guided, LogitMatch().away(z, y, z.detach()))
    (slope,) = torch.autograd.grad(guided.sum(), z)
    assert bool(slope.isfinite().all())
    assert bool(slope.any())
