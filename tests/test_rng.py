"""Draws are functions of (seed, path, step, id): independent, well spread, without global state."""

from __future__ import annotations

import math
import random
from zlib import crc32

import numpy as np
import pytest
import torch

from holdfast.rng import Rng, derive

IDS = torch.arange(4000)
DRAWS = {
    "uniform": lambda rng, shape: rng.uniform(shape),
    "normal": lambda rng, shape: rng.normal(shape),
    "sign": lambda rng, shape: rng.sign(shape),
    "integers": lambda rng, shape: rng.integers(0, 7, shape),
}


def correlation(a, b):
    a, b = a.double().flatten(), b.double().flatten()
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_draw_does_not_depend_on_batch_mates(draw):
    ids = torch.tensor([5, 17, 3, 99, 2**40, -8])
    rng = Rng(0, ids).fold("restart", 2).at(4, of=10)
    everyone = draw(rng, (3, 4))
    for i in range(len(ids)):
        assert torch.equal(draw(rng.take(torch.tensor([i])), (3, 4))[0], everyone[i])
    order = torch.tensor([3, 1, 1, 0])
    assert torch.equal(draw(rng.take(order), (3, 4)), everyone[order])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_a_draw_repeats_and_changes_with_seed_path_step_and_id(draw):
    rng = Rng(0, torch.arange(2))
    here = draw(rng, (50,))
    assert torch.equal(here, draw(Rng(0, torch.arange(2)), (50,)))
    others = [
        Rng(1, rng.ids),
        rng.at(1),
        rng.fold("start"),
        rng.fold("start", 1),
        rng.fold("window"),
        rng.at(1).fold("start"),
        rng.fold("start").fold("start"),
    ]
    seen = [here, *(draw(other, (50,)) for other in others)]
    for i, a in enumerate(seen):
        assert not torch.equal(a[0], a[1])
        for b in seen[i + 1 :]:
            assert not torch.equal(a, b)


def test_a_fold_at_another_step_is_another_source():
    rng = Rng(3, torch.arange(4))
    a, b = rng.at(1).fold("noise"), rng.at(2).fold("noise")
    assert not torch.equal(a.uniform((8,)), b.uniform((8,)))
    assert a.step == 0
    assert a.of is None


def test_progress_is_the_fraction_behind():
    rng = Rng(0, torch.arange(1))
    assert rng.progress == 0
    assert rng.at(3, of=12).progress == 0.25


def test_uniform_has_the_moments_and_the_range_of_a_uniform():
    u = Rng(0, IDS).uniform((250,)).double()
    assert 0 <= float(u.min()) < 1e-4
    assert 1 - 1e-4 < float(u.max()) < 1
    assert float(u.mean()) == pytest.approx(0.5, abs=0.0015)
    assert float(u.var()) == pytest.approx(1 / 12, abs=0.0005)
    counts = torch.histc(u.float(), bins=64, min=0, max=1)
    chi = float(((counts - counts.mean()) ** 2 / counts.mean()).sum())
    assert chi < 63 + 5 * math.sqrt(2 * 63)
    wide = Rng(0, IDS).uniform((10,), -2.0, 3.0)
    assert -2 <= float(wide.min()) < -1.99
    assert 2.99 < float(wide.max()) < 3


def test_normal_has_the_moments_of_a_normal():
    n = Rng(1, IDS).normal((250,)).double()
    assert float(n.mean()) == pytest.approx(0, abs=0.005)
    assert float(n.var()) == pytest.approx(1, abs=0.007)
    assert float((n**3).mean()) == pytest.approx(0, abs=0.015)
    assert float((n**4).mean()) == pytest.approx(3, abs=0.05)
    assert float((n.abs() > 3).double().mean()) == pytest.approx(0.0027, abs=0.0003)
    assert bool(n.isfinite().all())


def test_signs_are_fair():
    s = Rng(2, IDS).sign((250,))
    assert set(s.unique().tolist()) == {-1.0, 1.0}
    assert float(s.mean()) == pytest.approx(0, abs=0.005)


def test_integers_reach_both_ends_evenly():
    k = Rng(3, IDS).integers(-2, 5, (100,))
    counts = torch.bincount((k + 2).flatten(), minlength=7).double()
    assert k.dtype == torch.int64
    assert (int(k.min()), int(k.max())) == (-2, 4)
    chi = float(((counts - counts.mean()) ** 2 / counts.mean()).sum())
    assert chi < 6 + 5 * math.sqrt(12)
    assert bool((Rng(3, IDS).integers(4, 5) == 4).all())


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_neighbours_are_not_correlated(draw):
    """Between consecutive ids, steps, folds, seeds and positions: below five standard errors."""
    rng = Rng(0, IDS)
    here = draw(rng, (50,))
    limit = 5 / math.sqrt(here.numel() * 0.9)
    assert abs(correlation(here[:-1], here[1:])) < limit
    assert abs(correlation(here[:, :-1], here[:, 1:])) < limit
    assert abs(correlation(here, draw(rng.at(1), (50,)))) < limit
    assert abs(correlation(here, draw(rng.fold("a"), (50,)))) < limit
    assert abs(correlation(here, draw(Rng(1, IDS), (50,)))) < limit


def test_kinds_of_draws_do_not_share_bits():
    rng = Rng(0, IDS)
    limit = 5 / math.sqrt(4000 * 50)
    assert abs(correlation(rng.uniform((50,)), rng.normal((50,)))) < limit
    assert abs(correlation(rng.uniform((50,)), rng.sign((50,)))) < limit
    assert abs(correlation(rng.normal((50,)), rng.normal((50,)).abs())) < 0.02


def test_shapes_without_axes_and_without_examples():
    rng = Rng(0, torch.arange(3))
    assert rng.uniform().shape == (3,)
    assert rng.integers(0, 2).shape == (3,)
    empty = Rng(0, torch.arange(0))
    assert empty.normal((2, 3)).shape == (0, 2, 3)


def test_no_global_generator_is_touched():
    torch.manual_seed(7)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    rng = Rng(0, torch.arange(5)).fold("x").at(2)
    for draw in DRAWS.values():
        draw(rng, (9,))
    derive(0, "a", 3)
    after = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert (before[1] == after[1]).all()
    assert before[2] == after[2]


def test_known_draws_stay_what_they_are():
    """A change here changes every published number: it must be on purpose."""
    rng = Rng(42, torch.tensor([0, 1, 1000])).fold("restart", 3).at(5)
    assert rng.integers(0, 1000, (2,)).tolist() == [[516, 877], [485, 542], [936, 896]]


def test_derived_seeds_fit_in_63_bits_and_differ():
    seeds = {derive(0, "epoch", i) for i in range(100)} | {derive(1, "epoch", 0)}
    assert len(seeds) == 101
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_global_generators_are_seeded_by_the_name_of_the_test(request):
    name = request.node.name.encode()
    assert torch.initial_seed() == crc32(name)
    assert random.random() == random.Random(crc32(name)).random()
