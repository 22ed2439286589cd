"""Common corruptions as a finite set: what each does, and the worst of all by exhaustion."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from holdfast.attacks import APGD, PGD, Exhaustive, RandomSearch
from holdfast.components import build, describe
from holdfast.errors import ConfigError, InputError, Unsupported
from holdfast.losses import Margin
from holdfast.objective import Objective
from holdfast.rng import Rng
from holdfast.spaces import CommonCorruptions, Linf
from holdfast.spaces.appearance.corruptions import (
    EVERY,
    Contrast,
    DefocusBlur,
    Fog,
    GaussianNoise,
    ImpulseNoise,
    Jpeg,
    MotionBlur,
    Pixelate,
    ShotNoise,
    ZoomBlur,
)
from holdfast.threat import Knowledge, Status, ThreatModel
from small_nets import Passes, digits

SPACE = CommonCorruptions()


def run(attack, space, net, x, y, ids=None, **threat):
    objective = Objective(ThreatModel(space, **threat), net, x, y)
    rng = Rng(0, torch.arange(len(x)) if ids is None else ids)
    return attack(objective, space.around(x), rng)


def images(n=6, channels=3, side=32):
    """Smooth images with edges."""
    coarse = Rng(0, torch.arange(n)).uniform((channels, 4, 4), 0.1, 0.9)
    x = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    x[:, :, side // 4 : side // 2, side // 3 : side // 2] = 0.95
    return x


@pytest.mark.parametrize("corruption", EVERY, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_is_worse_the_more_severe_it_is(corruption, channels):
    x, at = images(channels=channels), Rng(1, torch.arange(6))
    apart = [
        float((corruption(x, severity, at).clamp(0, 1) - x).square().mean().sqrt())
        for severity in range(1, 6)
    ]
    assert apart[0] > 0.003
    if not isinstance(corruption, Pixelate):  # there it depends on where the edges fall
        assert apart[4] > 1.3 * apart[0]
        assert all(b > 0.95 * a for a, b in pairwise(apart)), apart
    again = corruption(x[2:3], 3, at.take(torch.tensor([2])))
    assert torch.equal(again, corruption(x, 3, at)[2:3])  # to the bit, beside whomever
    other = corruption(x, 3, Rng(2, torch.arange(6)))
    assert corruption.draws == (not torch.equal(other, corruption(x, 3, at)))


def test_noise_has_the_strength_that_it_says():
    x, at = torch.full((40, 1, 32, 32), 0.5), Rng(0, torch.arange(40))
    assert float((GaussianNoise()(x, 5, at) - x).std()) == pytest.approx(0.10, rel=0.02)
    assert float((ShotNoise()(x, 5, at) - x).std()) == pytest.approx(0.1, rel=0.02)  # sqrt(.5/50)
    salt = ImpulseNoise()(x, 5, at)
    assert float((salt != x).float().mean()) == pytest.approx(0.07, rel=0.05)
    assert float((salt == 1).float().sum() / (salt != x).sum()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("corruption", [DefocusBlur(), MotionBlur(), Pixelate(), Contrast()])
def test_blurs_leave_a_flat_image_alone(corruption):
    x = torch.full((3, 3, 9, 12), 0.4)
    assert torch.allclose(corruption(x, 5, Rng(0, torch.arange(3))), x, atol=1e-5)


def test_pixelating_is_means_over_windows():
    x = torch.arange(16.0).reshape(1, 1, 1, 16) / 16
    coarse = Pixelate()(x, 4, Rng(0, torch.arange(1)))[0, 0, 0] * 16  # twelve windows of 4 / 3
    assert coarse[0] == pytest.approx((0 * 1 + 1 / 3 * 1) / (4 / 3))
    assert len(coarse.unique()) == 12


def test_every_point_is_in_the_set_and_no_other_is():
    x = images(5)
    region, at = SPACE.around(x), Rng(3, torch.arange(5))
    assert torch.equal(region.realize(region.center(), at), x)
    points = [region.center(), *(region.init(at.at(k)) for k in range(12)), *region.choices(at)]
    for z in points:
        x_adv = region.realize(z, at)
        assert bool(region.contains_point(x_adv, z).all())
        assert torch.equal(region.realize(z, Rng(9, torch.arange(5))), x_adv)  # z holds the draw
        assert torch.equal(region.project(z), z)
        assert bool((region.size(z) <= 5).all())
        assert not bool(region.contains_point(x_adv + 0.01, z).any())
    assert len(list(region.choices(at))) == 61
    for z in ([12.0, 1, 0], [0.0, 6, 0], [0.5, 1, 0], [0.0, 1, torch.nan], [-1.0, 1, 0]):
        wrong = torch.tensor(z).expand(5, 3)
        assert not bool(
            region.contains_point(
                region.realize(region.project(wrong.nan_to_num()), at), wrong
            ).any()
        )
    mild = SPACE.around(x, 2.0)
    assert max(float(mild.size(mild.init(at.at(k))).max()) for k in range(9)) == 2
    blurred = DefocusBlur()(x, 2, at).clamp(0, 1)
    assert bool(mild.contains(blurred).all())
    assert bool(mild.contains(x).all())
    assert not bool(mild.contains(DefocusBlur()(x, 4, at).clamp(0, 1)).any())


def test_an_example_draws_its_own_and_always_the_same():
    x = images(1).expand(6, -1, -1, -1)
    region, at = SPACE.around(x), Rng(3, torch.arange(6))
    z = torch.tensor([0.0, 5, 0]).repeat(6, 1)
    z[:, 2] = region.init(at)[:, 2]
    noisy = region.realize(z, at)
    assert len({tuple(row.flatten().tolist()) for row in noisy}) == 6
    order = torch.tensor([3, 0, 5])
    few = region.take(order).init(at.take(order))
    assert torch.equal(few, region.init(at)[order])


def test_the_worst_by_exhaustion_is_the_worst_of_a_plain_loop():
    net, x, y = digits(20)
    counted = Passes(net)
    found = run(Exhaustive(), SPACE, counted, x, y)
    assert counted.forward_passes == 20 * 61
    region, worst = SPACE.around(x), torch.full((20,), -torch.inf)
    own = Exhaustive().own(Rng(0, torch.arange(20)))
    for z in region.choices(own.fold("draw", 0)):
        for k, severity in ((int(z[0, 0]), int(z[0, 1])),):
            seen = x
            if severity:
                at = Rng(0, z[:, 2].long()).fold(type(EVERY[k]).__name__, severity)
                seen = EVERY[k](x, severity, at).clamp(0, 1)
            with torch.no_grad():
                worst = torch.maximum(worst, Margin().away(net(seen), y))
    assert torch.allclose(found.harm, worst, atol=1e-5)
    few = run(RandomSearch(queries=10), SPACE, net, x, y)
    assert float((found.harm - few.harm).mean()) > 0
    more = run(Exhaustive(draws=2), SPACE, net, x, y)
    assert float((more.harm - found.harm).mean()) > 0
    mild = run(Exhaustive(choices=13), CommonCorruptions(eps=1), net, x, y)
    assert float((found.harm - mild.harm).mean()) > 0
    labels = run(Exhaustive(), SPACE, net, x, y, knowledge=Knowledge.DECISION)
    assert torch.equal(labels.x_adv, found.x_adv)


def test_what_does_not_fit_is_named():
    net, x, y = digits(4)
    with pytest.raises(ConfigError, match="more than 9 choices"):
        run(Exhaustive(choices=9), SPACE, net, x, y)
    with pytest.raises(
        Unsupported, match="every set but CommonCorruptions: use one of exhaustive, pgd"
    ):
        run(APGD(), SPACE, net, x, y)
    with pytest.raises(Unsupported, match="exhaustive works in CommonCorruptions, not in Linf"):
        run(Exhaustive(), Linf(eps=0.1), net, x, y)
    assert run(PGD(steps=2), SPACE, net, x, y).status == [Status.FAILED] * 4
    for wrong in (0.5, 6):
        with pytest.raises(InputError, match="severity"):
            CommonCorruptions(eps=wrong)
    with pytest.raises(InputError, match="at least one"):
        CommonCorruptions(corruptions=())
    with pytest.raises(InputError, match="leave Jpeg out"):
        Jpeg()(x.expand(-1, 2, -1, -1), 1, Rng(0, torch.arange(4)))
    few = CommonCorruptions(eps=3, corruptions=(Fog(), ZoomBlur()))
    assert build("space", describe(few)) == few
    assert "(Fog, ZoomBlur) of severity up to 3" in ThreatModel(few).sentence()
